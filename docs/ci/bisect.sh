#!/bin/sh
# Find the commit that brought a leak in: git bisect run DIR/bisect.sh; docs: docs/how-to/ci.md.
# Copy this file and bisect.toml out of the repository, which git bisect checks out anew for each commit, and edit both.
here=$(dirname "$(realpath "$0")")
{ python3 -m venv --clear .soak-venv && .soak-venv/bin/pip install --quiet --requirement requirements.txt; } ||
  exit 125    # this commit cannot be built: skip it
soak run "$here/bisect.toml" --set "arms.commit.cwd=$PWD" --runs "$here/runs"
case $? in
  0) exit 0 ;;      # no leak: good
  3) exit 1 ;;      # a leak: bad
  4) exit 125 ;;    # inconclusive: skip this commit
  *) exit 128 ;;    # the soak did not run: end the bisection
esac
