"""Many calls at once: which failure is raised, what is stored all the same, and what others have stored."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ndstash
from ndstash._memo import flight


def test_a_failing_call_of_a_map_leaves_the_others(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: 1 // x, name="f", version="1")
    with pytest.raises(ZeroDivisionError), ThreadPoolExecutor(2) as pool:
        function.map([1, 0, 2], executor=pool)
    assert function.cached(1) and function.cached(2) and not function.cached(0)
    with pytest.raises(ZeroDivisionError):
        function.map([4, 0, 5])
    assert function.cached(4) and not function.cached(5) and function(5) == 0


def test_map_raises_the_first_failure(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: {}[x], name="function", version="1")
    with ThreadPoolExecutor(2) as pool, pytest.raises(KeyError, match="1"):
        function.map([1, 2, 3], executor=pool)


def test_map_looks_again_once_it_may_compute(cache: ndstash.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may have stored a result meanwhile."""
    function = cache.memoize(lambda x: x, name="function", version="1")
    take = flight.take

    def take_late(inner: Any, key: Any, wait: Any) -> Any:
        inner.put(key, "by somebody else")
        return take(inner, key, wait)

    monkeypatch.setattr(flight, "take", take_late)
    assert function.map([1]) == ["by somebody else"]
