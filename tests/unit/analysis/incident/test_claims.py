from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.incident.claims import Claim, recovery_s
from analysis.incident.claims import claims as make_claims
from analysis.recording.model import Phase, Recording
from analysis.recording.read import read_recording
from analysis.slopes import slopes_of_lives
from analysis.verdict.validity import load_summary
from tests.support.planted_arms import PlantedArm, Soak, write_soak

Build = Callable[..., Path]


def claims(run_dir: Path) -> dict[str, Claim]:
    """Return the claims by their name."""
    return claims_of(read_recording(run_dir))


def claims_of(recording: Recording) -> dict[str, Claim]:
    """Return the claims by their name."""
    loads = tuple(load_summary(arm, recording.load) for arm in recording.arms)
    found = make_claims(recording, slopes_of_lives(recording.arms, recording.load), loads)
    return {claim.claim: claim for claim in found}


def test_the_planted_incident_bears_out_what_it_can(build_run: Build) -> None:
    """What the plan does not contain, low traffic and a long second life, is not measurable; 60% is refuted."""
    assert {name: claim.reproduced for name, claim in claims(build_run()).items()} == {
        "growth goes on": "yes",
        "grows at low traffic too": "not measurable",
        "a restart brings it back": "not measurable",
        "CPU is normal": "yes",
        "memory after stays below": "yes",
        "availability before": "no",
        "availability after": "yes",
        "time to recover": "not measurable",
    }


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (
            {"growth_share": 0.0, "cpu_ms_before": 1.24, "after_growth_bytes": 7.4e6, "sent_share": 49 / 80},
            {
                "growth goes on": ("no", "+0.0 kB per request, R² 0.000"),
                "a restart brings it back": ("not measurable", "not measured"),
                "CPU is normal": ("yes", "1.24 ms per request, after 1.00 ms"),
                "memory after stays below": ("yes", "85 MB (298 MB)"),
                "availability before": ("yes", "61.25%"),
                "time to recover": ("not measurable", "not measured"),
            },
        ),
        (
            {"growth_share": -0.1, "cpu_ms_before": 0.74, "after_growth_bytes": 7.6e6, "sent_share": 53 / 80},
            {
                "growth goes on": ("no", "-5.2 kB per request, R² 0.986"),
                "CPU is normal": ("no", "0.74 ms per request, after 1.00 ms"),
                "memory after stays below": ("no", "86 MB (302 MB)"),
                "availability before": ("no", "66.25%"),
                "availability after": ("no", "66.25%"),
            },
        ),
        (
            {"kill_hour": 3.0, "cpu_ms_before": 1.27},
            {
                "a restart brings it back": ("yes", "+25.1 kB per request in life 2"),
                "CPU is normal": ("no", "1.27 ms per request, after 1.00 ms"),
            },
        ),
        ({"kill_hour": 4.0}, {"a restart brings it back": ("no", "+20.4 kB per request in life 2")}),
    ],
)
def test_a_claim_follows_the_planted_truth(
    build_run: Build, truth: dict[str, Any], expected: dict[str, tuple[str, str]]
) -> None:
    """Just within a tolerance reproduces the claim, just beyond it does not; shrinking in step is no growth."""
    found = claims(build_run(**{"kill_hour": None, **truth}))
    assert {name: (found[name].reproduced, found[name].measured) for name in expected} == expected


def test_a_repair_that_dies_recovers_no_faster(build_run: Build) -> None:
    """When after is killed too, neither its memory nor its time to recover is the incident's."""
    run_dir = build_run()
    path = run_dir / "events.csv"
    path.write_text(path.read_text().replace("fixed,1,101,soak", "fixed,1,101,kernel"))
    found = claims(run_dir)
    assert (found["time to recover"].reproduced, found["time to recover"].measured) == (
        "no",
        "after died too",
    )
    assert found["memory after stays below"].sentence.startswith(
        "after reached 79 MB, 196 MB at the incident's scale, below 300 MB before it died; "
    )
    assert found["memory after stays below"].reproduced == "no"


def test_a_load_cut_short_proves_nothing_of_six_hours(build_run: Build) -> None:
    """Memory that is low and requests that are answered in the first hour are no evidence for the sixth."""
    found = claims(build_run(end_s=41.0))
    for name in ("memory after stays below", "availability before", "availability after"):
        assert (found[name].reproduced, found[name].sentence) == (
            "not measurable",
            "the load ended at 0:38 h, before 6 hours were over",
        )


def incident(run_dir: Path, **changes: Any) -> Path:
    """Write 6 hours of 60 s with a tenth of the rate in hours 4.2 to 4.6, unless ``changes`` say otherwise."""
    soak = Soak("demo", 360, rps=50, hour_s=60.0, incident=True, **{"low_share": 0.1, **changes})
    leaky = PlantedArm("before", rss_bytes=17_000, noise_bytes=2e3)
    return write_soak(run_dir, soak, {"leaky": leaky, "fixed": PlantedArm("after")})


def test_growth_at_low_traffic_is_per_request(tmp_path: Path) -> None:
    """A tenth of the requests keeps a tenth of the bytes: as much for each of them as ever."""
    found = claims(incident(tmp_path / "run"))["grows at low traffic too"]
    assert found.measured_before_raw == pytest.approx(17_000, rel=0.02)
    assert found.reproduced == "yes"
    assert found.sentence == (
        "in hours 4.2 to 4.6, at 11% of the mean rate, before grew +17.0 kB per request, at least 50% of the "
        "+17.0 kB of its whole life"
    )


def test_a_service_that_rests_at_low_traffic_does_not_grow(tmp_path: Path) -> None:
    """When memory stands still in the stretch, the claim is not reproduced."""
    run_dir = incident(tmp_path / "run")
    path = run_dir / "leaky" / "samples.csv"
    head, *rows = (line.split(",") for line in path.read_text().splitlines())
    t_s, rss = head.index("t_s"), head.index("rss_bytes")
    start_s, end_s = 40 + 4.2 * 60, 40 + 4.6 * 60
    held = next(row[rss] for row in rows if float(row[t_s]) >= start_s)
    for row in rows:
        if start_s <= float(row[t_s]) <= end_s:
            row[rss] = held
    path.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n")
    found = claims(run_dir)["grows at low traffic too"]
    assert (found.reproduced, found.measured) == ("no", "+0.0 kB per request at 11% of the rate")


def test_traffic_that_is_not_low_shows_nothing_of_it(tmp_path: Path) -> None:
    """Six tenths of the rate are no low traffic."""
    found = claims(incident(tmp_path / "run", low_share=0.6))["grows at low traffic too"]
    assert found.sentence == "the load was at 62% of its mean rate in hours 4.2 to 4.6, which is not low"
    assert found.reproduced == "not measurable"


@pytest.mark.parametrize(("bytes_per_request", "reproduced"), [(300.0, "yes"), (12_600.0, "no")])
def test_at_one_to_one_the_memory_itself_stays_below(
    tmp_path: Path, bytes_per_request: float, reproduced: str
) -> None:
    """Where nothing is scaled, 297 MB of 70 above the incident's start of 180 MB would be beyond the bound too."""
    soak = Soak("incident", 360, rps=50, hour_s=60.0, incident=True)
    after = PlantedArm("after", rss_bytes=bytes_per_request)
    run_dir = write_soak(tmp_path / "run", soak, {"leaky": PlantedArm("before"), "fixed": after})
    assert claims(run_dir)["memory after stays below"].reproduced == reproduced


def test_what_the_probe_takes_on_the_ladder_is_not_the_targets(build_run: Build) -> None:
    """A reading of the ladder, where holders are named, is no highest memory; the same under load is one."""
    recording = read_recording(build_run())
    for phase, highest in (("quiesce", "79 MB (196 MB)"), ("load", "400 MB (5.3 GB)")):
        arms = []
        for arm in recording.arms:
            samples = arm.samples.copy()
            last = samples.index[samples["phase"] == phase][-1]
            samples.loc[last, "rss_bytes"] += 321e6 * (arm.name == "fixed")
            arms.append(replace(arm, samples=samples))
        found = claims_of(replace(recording, arms=tuple(arms)))["memory after stays below"]
        assert found.measured == highest


def test_the_codes_own_times_are_named_where_they_never_came(build_run: Build) -> None:
    """A short load says which of them did not take part; one in real time says nothing of them."""
    recording, name = read_recording(build_run()), "memory after stays below"
    assert claims_of(recording)[name].sentence == (
        "after reached 79 MB, 196 MB at the incident's scale, below 300 MB; the code's own times are not scaled: in "
        "180 s of load the cache TTL of 1800 s and clean-up every 300 s never came due"
    )
    real_time = recording.manifest.model_copy(update={"hour_s": 3600.0})
    load = Phase("load", 21.0, 21.0 + 6 * 3600)
    found = claims_of(replace(recording, manifest=real_time, phases=(load,)))[name]
    assert found.sentence.endswith("below 300 MB")


def test_the_third_arm_is_no_side_of_a_claim(tmp_path: Path) -> None:
    """Claims are about the arms with the roles before and after, wherever they stand."""
    soak = Soak("demo", 360, rps=50, hour_s=60.0, incident=True)
    arms = {
        "published_fix": PlantedArm(rss_bytes=9e3, cpu_ms=9.0),
        "fixed": PlantedArm("after"),
        "leaky": PlantedArm("before", rss_bytes=17_000),
    }
    found = claims(write_soak(tmp_path / "run", soak, arms))
    assert found["growth goes on"].measured == "+17.0 kB per request, R² 1.000"
    assert found["CPU is normal"].measured == "1.00 ms per request, after 1.00 ms"


def test_nothing_recorded_is_nothing_claimed(build_run: Build) -> None:
    """Every claim of an arm without files is not measurable, with a sentence that says why."""
    run_dir = build_run()
    for path in run_dir.rglob("*.*"):
        if path.name != "manifest.json":
            path.unlink()
    found = claims(run_dir).values()
    assert {(claim.reproduced, claim.measured) for claim in found} == {("not measurable", "not measured")}
    assert all(claim.sentence for claim in found)


def test_availability_is_bounded_and_recovery_is_a_mean(build_run: Build) -> None:
    """An answer that came over from the warm-up makes no 101%; what never died has no time to recover."""
    recording = read_recording(build_run())
    leaky, fixed = recording.arms
    assert load_summary(fixed, recording.load).availability == 1.0
    assert load_summary(leaky, recording.load).availability == pytest.approx(14_160 / 14_400)
    assert recovery_s(leaky) == pytest.approx(3.0)
    assert recovery_s(fixed) is None
