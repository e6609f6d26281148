"""Files that are no recording: saved censuses, other tools' recordings of memory, and words of command lines."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from random import Random
from typing import Any, Final

from locustfiles.schedule.plan_file import read_traffic
from locustfiles.schedule.requests import Mix
from soak.config.load import load_profile
from soak.errors import (
    EXIT_GATE_FAILED,
    EXIT_HARNESS_FAILED,
    EXIT_INCONCLUSIVE,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
)
from soak.plan.run_plan import plan_run
from tests.fuzz import mutate
from tests.fuzz.entry import Kind, analysis, complaint, soak
from tests.fuzz.profiles import A_MIX
from tests.fuzz.recordings import with_planted_judge
from tests.support.censuses import census

ANSWERS: Final = (EXIT_OK, EXIT_USAGE, EXIT_GATE_FAILED, EXIT_INCONCLUSIVE)
SECONDS: Final = range(0, 600, 5)
CSV: Final = "time,rss\n" + "".join(f"{t_s},{69_632_000 + 4096 * (t_s % 7)}\n" for t_s in SECONDS)
CLOCK: Final = "time,rss\n" + "".join(
    f"12:{t_s // 60:02d}:{t_s % 60:02d},{70 + t_s % 7 / 10} MiB\n" for t_s in SECONDS
)
PSRECORD: Final = "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n" + "".join(
    f"{t_s:12.3f} {1.0:12.3f} {70 + t_s % 7 / 10:12.3f} {300.0:12.3f}\n" for t_s in SECONDS
)
MPROF: Final = "CMDLINE python app.py\n" + "".join(
    f"MEM {70 + t_s % 7 / 10:.6f} {1767225600 + t_s}.1234\nCHLD 77 {30 + t_s % 3:.6f} {1767225600 + t_s}.1234\n"
    for t_s in SECONDS
)
PIDSTAT: Final = (
    "#      Time   UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n"
    + "".join(
        f" 17672{t_s:05d}     0        42      1.00      0.00  300000   {70000 + t_s % 7}   0.10  python\n"
        for t_s in SECONDS
    )
)
DOCKER: Final = "".join(
    f"2026-01-01T00:{t_s // 60:02d}:{t_s % 60:02d} CONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT   MEM %\n"
    f"2026-01-01T00:{t_s // 60:02d}:{t_s % 60:02d} 0123456789ab   app   0.10%   {70 + t_s % 7}MiB / 2GiB   3.4%\n"
    for t_s in SECONDS
)


class Externals:
    """Other tools' files and the options to read them, by ``soak judge FILE``."""

    name = "externals"
    inputs = 500
    cost_ms = 30.0

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / "memory.txt"
        self._give_back = with_planted_judge()

    def try_one(self, random: Random) -> str:
        """A verdict, or refused in one line."""
        original = random.choice((CSV, CSV, CLOCK, PSRECORD, MPROF, PIDSTAT, DOCKER))
        is_csv = original in {CSV, CLOCK}
        mutated = mutate.cells(random, original) if is_csv else mutate.text(random, original)
        self._path.write_bytes(mutate.encoded(random, mutated))
        words = ["--time-column", "time", "--rss-column", "rss"] if is_csv else []
        if random.random() < 0.3:
            option = random.choice(("--time-unit", "--rss-unit", "--max-leak", "--limit", "--life-column"))
            words += [option, _word(random)]
        return complaint(analysis("judge", str(self._path), *words), ANSWERS)

    def close(self) -> None:
        """Give the real judge back."""
        self._give_back()


class Censuses(Kind):
    """Saved censuses, by ``soak heap --diff A B``."""

    name = "censuses"
    inputs = 1500
    cost_ms = 6.0

    def __init__(self, scratch: Path) -> None:
        self._paths = scratch / "a.json", scratch / "b.json"
        earlier = census({"builtins.str": (10, 700), "app.Job": (5, 400)}, {16: 2000, 32: 5000})
        later = census({"builtins.str": (20, 1400), "app.Job": (50, 4000)}, {16: 2100, 32: 9000}, at_s=200.0)
        self._honest: list[Any] = [json.loads(one.to_json()) for one in (earlier, later)]

    def try_one(self, random: Random) -> str:
        """A table, or refused in one line; an error of the census has exit code 1 or 2."""
        bad = random.randrange(2)
        for number, (path, honest) in enumerate(zip(self._paths, self._honest, strict=True)):
            text = mutate.value(random, honest) if number == bad else json.dumps(honest)
            path.write_bytes(mutate.encoded(random, text))
        return complaint(
            soak("heap", "--diff", *map(str, self._paths)), (EXIT_OK, EXIT_HARNESS_FAILED, EXIT_USAGE)
        )


class Words(Kind):
    """Paths and other words on command lines that start nothing."""

    name = "words"
    inputs = 1500
    cost_ms = 8.0

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def try_one(self, random: Random) -> str:
        """One line; what the parser of the command line refuses has its usage above it."""
        first, second = (_word(random) for _ in range(2))
        path = first if random.random() < 0.5 else f"{self._scratch}/{first}"
        command = random.choice(
            (
                ("list", "--runs", path), ("list", f"--{first}"), ("verify", path),
                ("init", f"{self._scratch}/{first}"),
                ("heap", "--diff", path, second), ("heap", first, "--times", second, "--csv", "--json"),
                ("run", path, "--dry-run"), ("run", "demo", "--dry-run", "--arms", first),
                ("attach", "--pid", "0", "--for", first), ("attach", "--pid", "4194304", "--every", first),
                ("attach", "--pid", "4194304", "--max-leak", first, "--limit", second), ("worker",), (first,),
            )
        )  # fmt: skip
        asked = random.choice(("soak", "report", "judge", "compare"))
        words = (asked, path, second) if asked == "compare" else (asked, path)
        ended = soak(*command) if asked == "soak" else analysis(*words)
        if ended.code == EXIT_USAGE and ended.err.startswith("Usage: "):
            return "" if "Traceback" not in ended.err else ended.err
        return complaint(ended, ANSWERS)


class Plans(Kind):
    """The planned load, as a worker on another machine gets it from whoever answers as the master."""

    name = "plans"
    inputs = 2000
    cost_ms = 1.0

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / "traffic.json"
        profiles = [load_profile(name) for name in ("demo", "release", "incident")]
        mix = scratch / "mix.toml"
        mix.write_text(A_MIX)
        profiles.append(load_profile(str(mix), arms="app,old"))
        plans = [plan_run(profile, scratch, scratch).traffic for profile in profiles]
        self._honest: list[Any] = [json.loads(plan.to_json()) for plan in plans]

    def try_one(self, random: Random) -> str:
        """Read, or refused by an error that names the file or the key of a request."""
        mutated = mutate.value(random, random.choice(self._honest))
        self._path.write_bytes(mutate.encoded(random, mutated))
        with contextlib.suppress(UsageError):
            Mix(read_traffic(self._path), os.environ)
        return ""


def _word(random: Random) -> str:
    """Return what a shell can hand over as one word."""
    word = random.choice((*mutate.NUMBERS, *mutate.TEXTS, "s", "MiB", "1 MiB/h", "2 GiB"))
    word = mutate.text(random, word) if random.random() < 0.3 else word
    return word.replace("\0", "").encode("utf-8", "replace").decode()[:100_000]
