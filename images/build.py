"""Make an image: ask a Python for its files, write them as one tar, have an engine import it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from images.files import (
    APP,
    VENV,
    File,
    Interpreter,
    application,
    extension_modules,
    libraries,
    packages,
    standard_library,
    with_requirements,
)
from soak.containers.engine import Engine, EngineError, engine_says
from soak.errors import HarnessError

ASK = """
import json, os, sys, sysconfig
base = {"platbase": sys.base_exec_prefix}  # platstdlib of a virtual environment lies in it, with nothing of Python's
here = {os.path.realpath(sysconfig.get_path(name, vars=base)) for name in ("stdlib", "platstdlib")}
site = {os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
print(json.dumps([os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
                  "%d.%d" % sys.version_info[:2], sorted(here), sorted(site)]))
"""
ALWAYS: Final = (
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
)
"""Names of shared libraries that glibc opens to end a thread, or that wheels for any Linux may need."""
CALL_S: Final = 300.0
"""Time for one import by an engine, seconds; 3 to 8 on an idle machine."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What images hold beside a Python."""

    requires: Sequence[str] = ()
    """Requirements as pip takes them; each has to be installed beside the Python."""
    directories: Sequence[Path] = ()
    """Packages of the application, copied below ``/app``."""


@dataclass(frozen=True, slots=True)
class Start:
    """An image by its name and how it starts, as the lines of a Containerfile that have these names."""

    image: str
    """With its tag, such as ``shop:2.1``."""
    entrypoint: Sequence[str] = ()
    expose: int | None = None
    user: str | None = None


def build_images(
    contents: Contents, starts: Iterable[Start], engines: Iterable[Engine], python: str = sys.executable
) -> int:
    """Build images of the same contents for each engine; return the bytes of their files. Raises HarnessError."""
    interpreter = ask_interpreter(python)
    with tempfile.NamedTemporaryFile(suffix=".tar") as tar:
        size = write_tar(tar.file, files_of(contents, interpreter), interpreter)
        tar.flush()
        for engine in engines:
            for start in starts:
                import_tar(engine, start, Path(tar.name))
    return size


def ask_interpreter(python: str) -> Interpreter:
    """Return what the Python reports of itself; raises HarnessError when it does not run."""
    executable, version, *paths = json.loads(_run([python, "-c", ASK]))
    return Interpreter(executable, version, *map(tuple, paths))


def files_of(contents: Contents, interpreter: Interpreter) -> list[File]:
    """Return all files of an image; raises HarnessError when a requirement is not installed."""
    try:
        distributions = with_requirements(contents.requires, interpreter.site_packages)
    except LookupError as error:
        raise HarnessError(f"{error}; install it first") from None
    executable = Path(interpreter.executable)
    files = [
        File(executable, PurePosixPath(executable)),
        *standard_library(interpreter),
        *packages(distributions, interpreter.version),
        *application(contents.directories),
    ]
    if (cache := Path("/etc/ld.so.cache")).exists():
        files.append(File(cache, PurePosixPath(cache)))
    trace = trace_libraries(interpreter.executable, extension_modules(files))
    return files + list(libraries(trace, frozenset(file.source.resolve() for file in files)))


def trace_libraries(executable: str, modules: Sequence[str]) -> str:
    """Return which shared libraries glibc's loader would load for the executable and its modules, one a line.

    Nothing runs but the loader. Other than by ``ldd``, the modules' libraries are searched for where the executable has
    them searched for.
    """
    preload = ":".join([*modules, *ALWAYS])
    return _run([executable], {"LD_TRACE_LOADED_OBJECTS": "1", "LD_PRELOAD": preload})


def write_tar(target: IO[bytes], files: Iterable[File], interpreter: Interpreter) -> int:
    """Write the files and what every image has; return the bytes of the files.

    All is readable by all and belongs to root, so that any user of a container can start it.
    """
    size = 0
    python = PurePosixPath(interpreter.executable)
    with tarfile.open(fileobj=target, mode="w", dereference=True) as tar:
        for file in files:
            entry = tar.gettarinfo(file.source, str(file.path).lstrip("/"))
            entry.type = tarfile.REGTYPE  # each name of a hard link is a file of its own
            entry.size = file.source.stat().st_size
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644
            entry.uid = entry.gid = 0
            with file.source.open("rb") as content:
                tar.addfile(entry, content)
            size += entry.size
        for name in ("python", "python3"):
            link = tarfile.TarInfo(str(VENV / "bin" / name).lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, str(python)
            tar.addfile(link)
        for name, mode in ((str(APP), 0o755), ("/tmp", 0o1777)):  # noqa: S108  # a path in the image
            directory = tarfile.TarInfo(name.lstrip("/"))
            directory.type, directory.mode = tarfile.DIRTYPE, mode
            tar.addfile(directory)
        _add_text(tar, VENV / "pyvenv.cfg", f"home = {python.parent}\ninclude-system-site-packages = false\n")
        _add_text(tar, PurePosixPath("/etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n")
    return size


def import_tar(engine: Engine, start: Start, tar: Path) -> None:
    """Have the engine make an image from the tar; raises HarnessError with what the engine answered.

    An earlier image of this name is removed, unless it has another name or a container uses it.
    """
    options = [option for change in changes(start) for option in ("--change", change)]
    try:
        earlier = engine.image(start.image)
        answer = engine.call(["import", *options, str(tar), start.image], CALL_S)
        if earlier is not None and answer.code == 0:
            names = engine.call(["image", "inspect", "--format", "{{len .RepoTags}}", earlier.id], CALL_S)
            if names.output.strip() == "0":
                engine.call(["rmi", earlier.id], CALL_S)
    except EngineError as error:
        raise HarnessError(f"{start.image} could not be built: {error}") from None
    if answer.code:
        raise HarnessError(f"{start.image} could not be built: {engine.at}: {engine_says(answer.errors)}")


def changes(start: Start) -> list[str]:
    """Return how the image starts, as lines of a Containerfile."""
    lines = [f'ENV PATH="{VENV}/bin:/usr/local/bin:/usr/bin:/bin"', f"WORKDIR {APP}"]
    if start.entrypoint:
        lines.append(f"ENTRYPOINT {json.dumps(list(start.entrypoint))}")
    if start.expose is not None:
        lines.append(f"EXPOSE {start.expose}")
    if start.user is not None:
        lines.append(f"USER {start.user}")
    return lines


def _add_text(tar: tarfile.TarFile, path: PurePosixPath, text: str) -> None:
    entry = tarfile.TarInfo(str(path).lstrip("/"))
    entry.size, entry.mode = len(text), 0o644
    tar.addfile(entry, io.BytesIO(text.encode()))


def _run(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Return what a command printed, with ``env`` added to the environment; raises HarnessError where it failed."""
    try:
        done = subprocess.run(
            command, env={**os.environ, **(env or {})}, capture_output=True, check=False, timeout=CALL_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        raise HarnessError(f"{command[0]} failed: {engine_says(done.stderr.decode(errors='replace'))}")
    return done.stdout.decode(errors="replace")
