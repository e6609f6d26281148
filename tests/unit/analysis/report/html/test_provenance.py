from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from analysis.recording.read import read_recording
from analysis.report.html.provenance import provenance


def test_an_image_is_named_with_its_engine_and_its_id(build_run: Callable[..., Path]) -> None:
    """As it was asked for, and as what it was; an arm that was a command has no image."""
    run_dir = build_run()
    path = run_dir / "manifest.json"
    manifest = json.loads(path.read_text())
    image = {"engine": "podman", "name": "shop:2.1"}
    manifest["arms"][1] |= {"build": "sha256:aa", "image": image}
    path.write_text(json.dumps(manifest))
    found = dict(provenance(read_recording(run_dir)))
    assert found["image of fixed"] == "shop:2.1, by podman"
    assert found["build of fixed"] == "sha256:aa"
    assert "image of leaky" not in found
