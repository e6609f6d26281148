"""A pod's manifest as podman runs it: one pid namespace, emptyDir volumes as directories of mode 0777."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def run_words(container: dict[str, Any], image: str, volumes: Path) -> list[str]:
    """Return options of ``podman run``, image, command and arguments of a container of the manifest.

    Its volumes are directories of ``volumes``, which are made. Without a command the image's own is left.
    """
    words = ["--network", "host"]
    for variable in container.get("env", ()):
        words += ["--env", f"{variable['name']}={variable['value']}"]
    for mount in container.get("volumeMounts", ()):
        directory = volumes / mount["name"]
        directory.mkdir(exist_ok=True)
        directory.chmod(0o777)
        words += ["--volume", f"{directory}:{mount['mountPath']}"]
    context = container.get("securityContext", {})
    if "runAsUser" in context:
        words += ["--user", str(context["runAsUser"])]
    for capability in context.get("capabilities", {}).get("add", ()):
        words += ["--cap-add", capability]
    command = container.get("command", ())
    if command:
        words += ["--entrypoint", command[0]]
    return [*words, image, *command[1:], *container.get("args", ())]
