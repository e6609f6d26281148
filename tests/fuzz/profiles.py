"""Profiles, settings and other words of a command line."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from soak.config.load import PROFILES, profile_names
from soak.config.profile import Profile
from soak.config.sentences import keys_of
from soak.config.template import PROFILE_TEMPLATE
from soak.errors import EXIT_OK, EXIT_USAGE
from tests.fuzz import mutate
from tests.fuzz.entry import Kind, complaint, soak

EVERY_TABLE: Final = """\
about = "every table"
[phases]
load_s = "90s"
warmup_s = 20
[limit]
memory = "512 MiB"
restart_delay_s = 3.0
[sampling]
quiesce_every_s = 10
[stubs]
services = ["orders", "users"]
error_rate = { orders = 0.01 }
hang_rate = 0.0
[traffic]
rate_rps = 20
path = "/api/{service}"
[arms.app]
command = ["{python}", "-m", "app", "--port", "{port}"]
role = "after"
cwd = "."
env = { TOKEN = "secret", UPSTREAMS = "{upstreams}" }
ready = "log: ready on [0-9]+"
[arms.old]
command = ["sh", "{port}"]
role = "before"
[arms.new]
optional = true
image = "shop:2.1"
args = ["--port", "{port}"]
options = ["--read-only", "--user", "1000"]
network = "published"
listens = 8000
engine = "podman"
env = { TOKEN = "secret" }
[judge]
max_leak = "200 B/request"
candidate = "app"
control = "inject"
inject = { python = 2.0 }
[gates]
max_rss = "<= 1.05x before"
p99_ms = "<= 200 ms"
"""

A_MIX: Final = EVERY_TABLE.replace(
    'path = "/api/{service}"\n',
    """\
[[traffic.requests]]
name = "add"
method = "POST"
path = "/items/{n}?v=1"
query = { q = "{choice:a|b}", page = 1, ok = true }
headers = { Authorization = "Bearer {env:HOME}", Accept = "*/*" }
body = { id = "{uuid}", deep = [{ service = "{service}" }] }
weight = 2.5
[[traffic.requests]]
path = "/events"
read_s = 2
[[traffic.requests]]
path = "/items"
body = "{payload}"
client = "half"
[[traffic.requests]]
method = "WEBSOCKET"
path = "/feed"
body = { id = "{uuid}" }
open_s = 0.5
send_every_s = 0.1
echo = true
client = "abort"
""",
)


class Profiles(Kind):
    """Damaged TOML files, by ``soak run FILE --dry-run``."""

    name = "profiles"
    inputs = 7000
    cost_ms = 5.0

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / "mine.toml"
        shipped = [(PROFILES / f"{name}.toml").read_text() for name in profile_names()]
        self._texts = [EVERY_TABLE, A_MIX] * 3 + [PROFILE_TEMPLATE.read_text(), *shipped]

    def try_one(self, random: Random) -> str:
        """Refused in one line, or planned; nothing of it that a terminal obeys is printed."""
        original = random.choice(self._texts)
        mutated = _with_a_value(random, original) if random.random() < 0.5 else mutate.text(random, original)
        self._path.write_bytes(mutate.encoded(random, mutated))
        return complaint(soak("run", str(self._path), "--dry-run"), (EXIT_OK, EXIT_USAGE))


class Settings(Kind):
    """Values of ``--set``, by ``soak run demo --dry-run``."""

    name = "settings"
    inputs = 6000
    cost_ms = 5.0

    def __init__(self, scratch: Path) -> None:
        del scratch
        self._keys = [key.replace("NAME", "leaky") for key in keys_of(Profile)]
        self._keys += ["arms.leaky.env.TOKEN", "stubs.error_rate.orders", "judge.inject.python"]

    def try_one(self, random: Random) -> str:
        """Refused in one line, or planned."""
        words = []
        for _ in range(random.choice((1, 1, 2, 3))):
            key = random.choice(self._keys)
            if random.random() < 0.1:
                key = mutate.text(random, key)
            words += ["--set", f"{key}={_toml_value(random)}"]
        # what execve cannot hand over never gets here
        words = [word.replace("\0", "").encode("utf-8", "replace").decode()[:100_000] for word in words]
        return complaint(soak("run", "demo", "--dry-run", *words), (EXIT_OK, EXIT_USAGE))


def _with_a_value(random: Random, original: str) -> str:
    """Return a profile with the values of some of its lines replaced."""
    lines = original.splitlines()
    assignments = [number for number, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    for number in random.sample(assignments, k=min(len(assignments), random.choice((1, 1, 2)))):
        key, _, _ = lines[number].partition(" = ")
        lines[number] = f"{key} = {_toml_value(random)}"
    return "\n".join(lines) + "\n"


def _toml_value(random: Random) -> str:
    """Return a number, a text, a list or a table in TOML, or nearly."""
    how = random.random()
    if how < 0.35:
        return random.choice(mutate.NUMBERS)
    quoted = _quoted(random.choice(mutate.TEXTS))
    if how < 0.7:
        return quoted
    if how < 0.85:
        return f"[{quoted}, {random.choice(mutate.NUMBERS) or 0}]" if random.random() < 0.5 else f"[{quoted}]"
    if how < 0.92:
        return f"{{ {random.choice(('orders', 'python', quoted))} = {random.choice((quoted, '1', '0.5'))} }}"
    return mutate.text(random, random.choice(("1.5", '"90s"', '["sh", "{port}"]', '{ A = "b" }')))


def _quoted(text: str) -> str:
    """Return the text as TOML writes it, with escapes."""
    return (
        '"'
        + "".join(f"\\u{ord(one):04X}" if ord(one) < 32 or one in '"\\\x7f' else one for one in text)
        + '"'
    )
