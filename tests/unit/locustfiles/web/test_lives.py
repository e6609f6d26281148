from __future__ import annotations

from locustfiles.web.lives import MOST_MARKS, LivesSoFar


def ends(lives: LivesSoFar, *exits: tuple[int, str], workers: int = 2) -> list[float]:
    """Have an arm with life 1 and workers from 2 on live until these exits, by life and who ended it."""
    for number in range(1, workers + 2):
        lives.take(0.0, {"event": "start", "life": str(number)})
    lives.take(1.0, {"event": "ready", "life": "1"})
    for t_s, (life, by) in enumerate(exits, 10):
        lives.take(float(t_s), {"event": "exit", "life": str(life), "by": by})
    return lives.killed_s


def test_each_kill_of_a_worker_is_an_oom_kill() -> None:
    """By the kernel, systemd-oomd or the watchdog; an end for another reason is none, nor are counters of the limit."""
    lives = LivesSoFar()
    assert ends(lives, (2, "kernel"), (3, "unknown"), (3, "soak"), (3, "itself"), (2, "watchdog")) == [10, 14]
    lives.take(20.0, {"event": "limit", "life": "1", "detail": '{"oom_kills": 2, "met_limit": true}'})
    assert (lives.oom_kills, lives.is_down) == (2, False)


def test_an_arm_that_ends_with_its_workers_by_one_kill_has_one() -> None:
    """As it is told on the terminal: the workers are recorded as ended by the same. The next life has its own."""
    lives = LivesSoFar()
    assert ends(lives, (3, "kernel"), (1, "kernel"), (2, "kernel")) == [10, 11]
    lives.take(20.0, {"event": "start", "life": "4"})
    lives.take(21.0, {"event": "exit", "life": "4", "by": "systemd-oomd"})
    assert (lives.killed_s, lives.oom_kills) == ([10, 11, 21], 3)


def test_a_worker_that_was_killed_before_its_arm_ended_counts() -> None:
    """Its end is recorded after that of the arm, which ended by itself or was stopped."""
    assert ends(LivesSoFar(), (1, "itself"), (2, "kernel"), (3, "itself")) == [11]
    assert ends(LivesSoFar(), (1, "soak"), (2, "soak"), (3, "kernel")) == [12]


def test_kills_beyond_those_that_are_kept_are_counted() -> None:
    """A server that starts a worker for each that was killed."""
    lives = LivesSoFar()
    assert len(ends(lives, *[(2, "kernel")] * (MOST_MARKS + 7))) == MOST_MARKS
    assert (lives.oom_kills, lives.killed_s[0]) == (MOST_MARKS + 7, 17)
