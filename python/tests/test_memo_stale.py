"""One computation at a time: threads, stale results, bounded waits."""

import threading
import time
from typing import Any

import pytest

import ndstash


def in_threads(count: int, work: Any) -> list[Any]:
    """What so many threads return that begin at the same time."""
    results, start = [None] * count, threading.Barrier(count)

    def run(at: int) -> None:
        start.wait()
        results[at] = work(at)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_threads_compute_once(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda x: calls.append(x) or time.sleep(0.1) or x, name="f", version="1")
    assert in_threads(6, lambda at: function(1)) == [1] * 6 and calls == [1]
    assert tuple(function.stats()) == (5, 1)


def test_threads_compute_different_calls_at_the_same_time(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x: time.sleep(0.3) or x, name="f", version="1")
    start = time.monotonic()
    assert in_threads(6, function) == [0, 1, 2, 3, 4, 5]
    assert time.monotonic() - start < 1.2


def test_without_a_lock_all_compute(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda x: calls.append(x) or time.sleep(0.2) or x, name="f", version="1", lock=False)
    assert in_threads(3, lambda at: function(1)) == [1] * 3 and calls == [1] * 3


def test_a_failing_computation_lets_the_next_one_go(cache: ndstash.Cache) -> None:
    calls: list[int] = []

    def compute(x: int) -> int:
        calls.append(x)
        time.sleep(0.05)
        if len(calls) == 1:
            raise ValueError("first")
        return x

    function = cache.memoize(compute, name="f", version="1")

    def attempt(at: int) -> Any:
        try:
            return function(1)
        except ValueError as error:
            return str(error)

    assert sorted(map(str, in_threads(4, attempt))) == ["1", "1", "1", "first"] and len(calls) == 2


def test_stale_results_while_one_computes(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(
        lambda x: calls.append(x) or time.sleep(0.3) or len(calls), name="f", version="1", expire=0.01, stale=100
    )
    assert function(1) == 1
    time.sleep(0.02)
    results = in_threads(4, lambda at: (function(1), time.monotonic()))
    assert sorted(value for value, _ in results) == [1, 1, 1, 2]
    latest_stale = max(end for value, end in results if value == 1)
    assert latest_stale < next(end for value, end in results if value == 2) - 0.1
    assert function.stats().stale == 3


def test_results_are_not_stale_for_ever(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda x: calls.append(x) or len(calls), name="f", version="1", expire=0.01, stale=0.05)
    function(1)
    time.sleep(0.1)
    assert function(1) == 2


def test_invalidated_results_are_stale(cache: ndstash.Cache) -> None:
    calls: list[int] = []
    function = cache.memoize(lambda x: calls.append(x) or len(calls), name="f", version="1", stale=100)
    function(1)
    assert function.entries().invalidate() == 1 and not function.cached(1)
    assert function(1) == 2


def test_a_wait_is_bounded(tmp_path: Any) -> None:
    cache = ndstash.Cache(tmp_path / "c", wait=0.1)
    begun, end = threading.Event(), threading.Event()

    def compute(x: int) -> int:
        if not begun.is_set():
            begun.set()
            end.wait(30)
        return x

    function = cache.memoize(compute, name="f", version="1")
    thread = threading.Thread(target=function, args=(1,))
    thread.start()
    begun.wait(30)
    with pytest.warns(ndstash.NdstashWarning, match="could not be locked"):
        assert function(1) == 1
    assert not end.is_set()
    end.set()
    thread.join(30)


def test_two_that_want_each_others_results_do_not_wait_for_ever(tmp_path: Any) -> None:
    cache = ndstash.Cache(tmp_path / "c", wait=0.3)
    both, depth = threading.Barrier(2), threading.local()

    def compute(x: int) -> int:
        if getattr(depth, "nested", False):
            return x
        depth.nested = True
        both.wait(30)
        assert function(3 - x) == 3 - x
        return x

    function = cache.memoize(compute, name="f", version="1")
    with pytest.warns(ndstash.NdstashWarning, match="could not be locked"):
        results = in_threads(2, lambda at: function(at + 1))
    assert list(results) == [1, 2]
