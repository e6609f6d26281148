"""Programs that stand in for podman and docker: each prints recorded answers and notes the words it was given."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

IMAGE_ID = "3a2af882cf94daae4a0ba1a481d4fd81ffc61f1814a28be4a855a70e8c7c4c16"
CONTAINER_ID = "e46bdc49f66c879c0ac1726886c234920dc377817dfbda111199187bcde6e0fd"
NO_IMAGE = {
    "podman": "Error: inspecting object: {}: image not known",
    "docker": "Error response from daemon: no such image: {0}: No such image: {0}",
}
NO_CONTAINER = {
    "podman": "Error: inspecting object: no such container {}",
    "docker": "Error response from daemon: No such container: {}",
}
DAEMON_DOWN = "Cannot connect to the Docker daemon at unix:///run/none.sock. Is the docker daemon running?"
_PROGRAM = """#!{python} -IS
import json, sys, time
data = json.load(open({data!r}))
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
kind, name = sys.argv[1], sys.argv[-1]
if data["down"]:
    sys.exit(data["down"])
if data["slow_s"]:
    time.sleep(data["slow_s"])
known = data.get(kind, {{}})
if name in known:
    print(json.dumps([known[name]]))
elif kind in ("image", "container"):
    print("[]")
    print(data["none"][kind].format(name), file=sys.stderr)
    sys.exit(1 if {engine!r} == "docker" else 125)
"""


def image(identity: str = IMAGE_ID, **config: Any) -> dict[str, Any]:
    """Return what ``image inspect`` prints of an image, with what a reader of it needs."""
    return {
        "Id": identity,
        "Config": {"ExposedPorts": {"8000/tcp": {}}, "Env": ["PATH=/bin"], "Cmd": ["serve"], **config},
    }


def container(
    pid: int, identity: str = CONTAINER_ID, *, running: bool = True, image_id: str = IMAGE_ID
) -> dict[str, Any]:
    """Return what ``container inspect`` prints of a container."""
    return {"Id": identity, "Image": image_id, "State": {"Running": running, "Pid": pid}}


def fake_engine(
    directory: Path,
    engine: str = "podman",
    *,
    images: Mapping[str, Any] | None = None,
    containers: Mapping[str, Any] | None = None,
    down: str = "",
    slow_s: float = 0.0,
) -> Path:
    """Write a program with the name of the engine into a directory that is to be on PATH; return its list of calls.

    ``down`` is what it prints instead of any answer, ``slow_s`` how many seconds each answer takes.
    """
    directory.mkdir(exist_ok=True)
    calls, data, program = (directory / f"{engine}{end}" for end in (".calls", ".json", ""))
    none = {"image": NO_IMAGE[engine], "container": NO_CONTAINER[engine]}
    data.write_text(
        json.dumps(
            {
                "image": images or {},
                "container": containers or {},
                "down": down,
                "slow_s": slow_s,
                "none": none,
            }
        )
    )
    program.write_text(
        _PROGRAM.format(python=sys.executable, data=str(data), calls=str(calls), engine=engine)
    )
    program.chmod(0o755)
    return calls


def words_of(calls: Path) -> Sequence[Sequence[str]]:
    """Return the words of each call of a fake engine, in order."""
    return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []


_RUNNING = """#!{python} -IS
import json, os, signal, subprocess, sys, time
place = {place!r}
words = sys.argv[1:]
with open(os.path.join(place, "calls"), "a") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[0] == "run":
    name = words[words.index("--name") + 1]
    process = subprocess.Popen({command!r}, start_new_session=True)
    with open(os.path.join(place, name + ".new"), "w") as file:
        json.dump({{"Id": {identity!r}, "Image": {image!r}, "State": {{"Running": True, "Pid": process.pid}}}}, file)
    os.rename(file.name, os.path.join(place, name))
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    sys.exit(code if code >= 0 else 128 - code)
path = os.path.join(place, words[-1])
if not os.path.exists(path):
    sys.exit("Error: no such container " + words[-1])
found = json.load(open(path))
if words[0] == "container":
    print(json.dumps([found]))
elif words[0] == "kill":
    os.kill(found["State"]["Pid"], signal.SIGKILL)
elif words[0] == "rm":
    os.unlink(path)
"""


def running_engine(directory: Path, command: Sequence[str], engine: str = "podman") -> Path:
    """Write a program that runs this command as every container, outside of the client's session, as engines do.

    Return the directory in which it has a file for each container, and its calls.
    """
    place = directory / f"{engine}-containers"
    place.mkdir(parents=True, exist_ok=True)
    program = directory / engine
    program.write_text(
        _RUNNING.format(
            python=sys.executable,
            place=str(place),
            command=list(command),
            identity=CONTAINER_ID,
            image=IMAGE_ID,
        )
    )
    program.chmod(0o755)
    return place
