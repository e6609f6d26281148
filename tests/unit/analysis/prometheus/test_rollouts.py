"""Roll-outs are chained, and pods side by side are not."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.prometheus.answers import Series
from analysis.prometheus.lives import Lives, cut_lives
from analysis.prometheus.rollouts import Chain, chain_rollouts

HOUR_S = 3600.0


def pod(pod_name: str, /, begin_h: float, end_h: float, **labels: str) -> Lives:
    t_s = np.arange(begin_h * HOUR_S, end_h * HOUR_S, 60.0)
    found = {"job": "shop", "pod": pod_name, **labels}
    one = Series(tuple(sorted(found.items())), t_s, np.full(len(t_s), 1e8))
    return cut_lives((one,), (one,))[0]


def pods(chains: tuple[Chain, ...]) -> list[list[str]]:
    return sorted([part.series.label("pod") for part in chain.parts] for chain in chains)


def test_a_pod_that_begins_when_another_ends_continues_it() -> None:
    """A roll-out overlaps by minutes; each pod is a life of its own."""
    (chain,) = chain_rollouts((pod("b", 9.9, 20), pod("a", 0, 10)))
    assert pods((chain,)) == [["a", "b"]]
    assert (chain.rollouts, chain.restarts) == (1, 0)
    assert np.unique(chain.life).tolist() == [1, 2]


def test_pods_that_overlap_for_longer_are_side_by_side() -> None:
    chains = chain_rollouts((pod("a", 0, 10), pod("b", 9.8, 20)))
    assert pods(chains) == [["a"], ["b"]]
    assert [chain.name for chain in chains] == ["a", "b"]


def test_a_short_pod_within_the_last_minutes_of_another_is_no_roll_out() -> None:
    assert pods(chain_rollouts((pod("a", 0, 10), pod("b", 9.9, 9.95)))) == [["a"], ["b"]]


def test_three_replicas_that_are_rolled_out_are_three_services() -> None:
    """Each new pod continues the old one whose end is nearest, and none is continued twice."""
    old = [pod(f"old-{n}", 0, 10 + n / 4) for n in range(3)]
    new = [pod(f"new-{n}", 10 + n / 4 - 0.05, 20) for n in range(3)]
    assert pods(chain_rollouts((*new, *old))) == [["old-0", "new-0"], ["old-1", "new-1"], ["old-2", "new-2"]]


def test_other_labels_are_another_workload() -> None:
    chains = chain_rollouts((pod("a", 0, 10), pod("b", 10, 20, job="cart")))
    assert pods(chains) == [["a"], ["b"]]
    assert sorted(chain.name for chain in chains) == ["cart", "shop"]


def test_labels_of_containers_change_with_a_roll_out() -> None:
    old = pod("a", 0, 10, id="/kubepods/1", container_id="1", uid="1", name="k8s_1", instance="node-1")
    new = pod("b", 10, 20, id="/kubepods/2", container_id="2", uid="2", name="k8s_2", instance="node-2")
    (chain,) = chain_rollouts((old, new))
    assert chain.rollouts == 1


@pytest.mark.parametrize(
    "label", ["image", "image_id", "node", "pod_template_hash", "controller_revision_hash", "pod_ip"]
)
def test_labels_of_a_release_change_with_a_roll_out(label: str) -> None:
    """As kubelet and the pods' own labels have them; a canary that runs beside the old release continues nothing."""
    old, new = pod("a", 0, 10, **{label: "1"}), pod("b", 9.9, 20, **{label: "2"})
    assert pods(chain_rollouts((old, new))) == [["a", "b"]]
    canary = pod("b", 5, 20, **{label: "2"})
    assert pods(chain_rollouts((old, canary))) == [["a"], ["b"]]


def test_names_are_short_unique_and_safe_as_names_of_arms() -> None:
    """A path, a newline, no label that differs: each has a name that the report takes."""
    one, other = (
        pod("", 0, 10, id="/../x\n" + "y" * 200),
        pod("", 0, 10, id="/../x\n" + "y" * 100 + "z" * 100),
    )
    twin = pod("", 0, 10, id="/../x\n" + "y" * 150 + "q" + "y" * 49)
    names = [chain.name for chain in chain_rollouts((one, other, twin))]
    assert len(set(names)) == 3
    for name in names:
        assert "/" not in name
        assert name.isprintable()
        assert not name.startswith(".")
        assert len(name) < 100
