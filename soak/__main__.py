"""``python -m soak``."""

from soak.cli.app import main

main()
