"""The manifests of docs/how-to/kubernetes.md against the strict schema that Kubernetes publishes."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.support.paths import ROOT

MANIFESTS = ROOT / "docs" / "how-to" / "kubernetes"
SCHEMA = json.loads((ROOT / "tests/support/kubernetes/pod.schema.json").read_text())


def load(name: str) -> Any:
    return yaml.safe_load((MANIFESTS / name).read_text())


def faults(instance: Any, definition: str = "Pod") -> list[str]:
    """What the schema has against a document; integers out of their format's range count, too."""
    schema = {**SCHEMA, "$ref": f"#/$defs/{definition}"}
    validator = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    return [error.message for error in validator.iter_errors(instance)]


def test_the_pod_is_accepted() -> None:
    assert faults(load("pod.yaml")) == []


def test_what_kubectl_debug_adds_is_a_part_of_an_ephemeral_container() -> None:
    assert faults({"name": "debugger", **load("debug.yaml")}, "EphemeralContainer") == []


def misspelled(pod: Any) -> None:
    pod["spec"]["shareProcessNamespaces"] = True


def moved(pod: Any) -> None:
    pod["spec"]["capabilities"] = {"add": ["SYS_PTRACE"]}


def nameless(pod: Any) -> None:
    del pod["spec"]["containers"][0]["name"]


def of_another_type(pod: Any) -> None:
    pod["spec"]["containers"][0]["securityContext"]["runAsUser"] = "1000"


def a_number_as_environment(pod: Any) -> None:
    pod["spec"]["containers"][0]["env"][0]["value"] = 1


@pytest.mark.parametrize(
    "damage",
    [misspelled, moved, nameless, of_another_type, a_number_as_environment],
    ids=lambda one: one.__name__,
)
def test_a_pod_that_kubernetes_would_refuse_is_refused(damage: Any) -> None:
    pod = copy.deepcopy(load("pod.yaml"))
    damage(pod)
    assert len(faults(pod)) == 1


def test_probe_and_sockets_are_where_the_service_looks_for_them() -> None:
    """The three containers agree on one volume; the sidecar's right is the one of the debug container."""
    spec = load("pod.yaml")["spec"]
    (copier,), (service, sidecar) = spec["initContainers"], spec["containers"]
    mounts = [container["volumeMounts"] for container in (copier, service, sidecar)]
    assert mounts[0] == mounts[1] == mounts[2] == [{"name": "soakproof", "mountPath": "/soakproof"}]
    for variable in service["env"]:
        assert variable["value"] in copier["args"][0]
    assert sidecar["securityContext"] == load("debug.yaml")["securityContext"]
