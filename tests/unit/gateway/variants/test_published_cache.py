from dataclasses import dataclass

from gateway.variants.published_cache import LRUCache


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_kept_for_its_time() -> None:
    """A value is given back until its time to live is over; after that asking for it drops it."""
    clock = Clock()
    cache = LRUCache(max_size=2, ttl=10, clock=clock)
    assert cache.get("a") is None
    cache.put("a", 1)
    clock.now = 10
    assert (cache.get("a"), cache.get_size()) == (1, 1)
    clock.now = 10.1
    assert (cache.get("a"), cache.get_size()) == (None, 0)


def test_the_least_recently_used_makes_room() -> None:
    """A full cache drops what was not asked for longest, whatever the order of arrival."""
    cache = LRUCache(max_size=2, ttl=10, clock=Clock())
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert cache.get_size() == 2


def test_a_put_drops_all_that_has_expired() -> None:
    """Also an entry that use has moved to the young end: every timestamp is looked at, as published."""
    clock = Clock()
    cache = LRUCache(max_size=5, ttl=10, clock=clock)
    cache.put("old", 1)
    clock.now = 5
    cache.put("young", 2)
    cache.get("old")
    clock.now = 11
    cache.put("new", 3)
    assert cache.get_size() == 2
    assert [cache.get(key) for key in ("old", "young", "new")] == [None, 2, 3]


def test_clear_drops_everything() -> None:
    """A cleared cache is empty and can be used again."""
    cache = LRUCache(max_size=2, ttl=10, clock=Clock())
    cache.put("a", 1)
    cache.clear()
    assert (cache.get("a"), cache.get_size()) == (None, 0)
    cache.put("a", 2)
    assert cache.get("a") == 2
