"""Memoized coroutines."""

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jobs
import numpy as np
import pytest

import ndstash


def test_coroutines_are_memoized(cache: ndstash.Cache) -> None:
    calls = []

    @cache.memoize
    async def double(x: int) -> list[int]:
        """Doubles."""
        calls.append(x)
        await asyncio.sleep(0)
        return [2 * x]

    async def main() -> list[Any]:
        first = await double(1), await double(1), await double.call(1)
        return [*first, (await double.ref(2)).get(), await double.map([1, 2, 3])]

    assert asyncio.run(main()) == [[2], [2], [2], [4], [[2], [4], [6]]]
    assert calls == [1, 1, 2, 3] and double.get(3) == [6] and double.cached(1) and double.forget(1)
    assert asyncio.iscoroutinefunction(double) or inspect.iscoroutinefunction(double)
    assert double.__doc__ == "Doubles."


def test_tasks_of_a_loop_share_a_computation(cache: ndstash.Cache) -> None:
    calls: list[int] = []

    @cache.memoize
    async def slow(x: int) -> Any:
        calls.append(x)
        await asyncio.sleep(0.1)
        return np.full(50_000, x)

    async def main() -> Any:
        return await asyncio.gather(*(slow(x) for x in [1, 1, 2, 1, 2]))

    assert [int(array[0]) for array in asyncio.run(main())] == [1, 1, 2, 1, 2]
    assert sorted(calls) == [1, 2] and tuple(slow.stats()) == (3, 2)


def test_tasks_share_what_cannot_be_stored(cache: ndstash.Cache) -> None:
    calls: list[int] = []

    @cache.memoize(keep=lambda value: False)
    async def slow(x: int) -> list[int]:
        calls.append(x)
        await asyncio.sleep(0.05)
        return [x]

    async def main() -> Any:
        return await asyncio.gather(slow(1), slow(1))

    assert asyncio.run(main()) == [[1], [1]] and calls == [1]


def test_a_failing_or_cancelled_task_lets_the_next_one_compute(cache: ndstash.Cache) -> None:
    calls: list[int] = []

    @cache.memoize(version="1")
    async def slow(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0.1)
        if len(calls) == 1:
            raise ValueError("first")
        return x

    async def failing() -> Any:
        return await asyncio.gather(slow(1), slow(1), slow(1), return_exceptions=True)

    first, *others = asyncio.run(failing())
    assert isinstance(first, ValueError) and others == [1, 1] and calls == [1, 1]

    async def cancelled() -> Any:
        tasks = [asyncio.create_task(slow(2)) for _ in range(3)]
        await asyncio.sleep(0.02)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = asyncio.run(cancelled())
    assert isinstance(first, asyncio.CancelledError) and others == [2, 2] and calls == [1, 1, 2, 2]


def test_coroutines_call_themselves(cache: ndstash.Cache) -> None:
    @cache.memoize
    async def fibonacci(n: int) -> int:
        return n if n < 2 else sum(await asyncio.gather(fibonacci(n - 1), fibonacci(n - 2)))

    assert asyncio.run(fibonacci(30)) == 832040

    depth: list[int] = []

    @cache.memoize(version="1")
    async def same(x: int) -> int:
        depth.append(x)
        return x if len(depth) == 3 else await asyncio.create_task(same(x)) + 1

    assert asyncio.run(asyncio.wait_for(same(5), 10)) == 7 and depth == [5, 5, 5]


def test_other_processes_are_waited_for_without_blocking(tmp_path: Path, processes: Any) -> None:
    directory, log = str(tmp_path / "cache"), str(tmp_path / "log")
    job = processes(1).submit(jobs.slow, directory, log, 7, 1.0)
    jobs.wait_for(log, 1)

    async def never(x: int) -> Any:
        raise AssertionError("computed twice")

    function = ndstash.Cache(directory).memoize(never, name="slow", version="1")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def main() -> Any:
        ticking = asyncio.create_task(tick())
        value = await function(7)
        ticking.cancel()
        return value

    assert int(asyncio.run(main())[0]) == 7 and ticks > 20
    assert job.result() == (7, 1)


def test_stale_results_are_handed_out_while_one_task_computes(cache: ndstash.Cache) -> None:
    calls: list[int] = []

    @cache.memoize(expire=0.01, stale=100, version="1")
    async def slow(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0.1)
        return len(calls)

    async def main() -> Any:
        await slow(1)
        await asyncio.sleep(0.05)
        return await asyncio.gather(slow(1), slow(1), slow(1))

    assert asyncio.run(main()) == [2, 1, 1]


def test_loops_in_many_threads(cache: ndstash.Cache) -> None:
    calls: list[int] = []

    @cache.memoize
    async def slow(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0.2)
        return x

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(slow(1)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [1, 1, 1] and calls == [1]


def test_asynchronous_generators_and_methods(cache: ndstash.Cache) -> None:
    class Source:
        def __init__(self, n: int) -> None:
            self.n = n

        @cache.memoize(materialize=True)
        async def items(self) -> AsyncIterator[int]:
            for i in range(self.n):
                yield i

        @cache.memoize
        async def size(self) -> int:
            return self.n

    async def main() -> Any:
        return await Source(3).items(), await Source(3).size(), await Source(4).size()

    assert asyncio.run(main()) == ([0, 1, 2], 3, 4) == asyncio.run(main())
    with pytest.raises(TypeError, match="materialize"):
        cache.memoize(Source.items.__wrapped__)


def test_what_has_no_key_runs_uncached(cache: ndstash.Cache) -> None:
    @cache.memoize
    async def function(x: object) -> object:
        return x

    stream = open(__file__)
    with stream, pytest.warns(ndstash.NdstashWarning, match="no key"):
        assert asyncio.run(function(stream)) is stream
    with cache.off():
        assert asyncio.run(function(1)) == 1
    assert not function.cached(1)
    start = time.monotonic()
    assert asyncio.run(function(1)) == 1 and time.monotonic() - start < 5


def test_storing_does_not_block_the_loop(cache: ndstash.Cache) -> None:
    where: list[int] = []

    @cache.memoize(keep=lambda value: where.append(threading.get_ident()) is None)
    async def function(x: int) -> int:
        return x

    assert asyncio.run(function(1)) == 1 and where != [] and threading.get_ident() not in where


def test_a_waiting_task_that_is_cancelled_leaves_the_others_alone(cache: ndstash.Cache) -> None:
    calls: list[int] = []

    @cache.memoize(version="1", keep=lambda value: False)
    async def slow(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0.1)
        return x

    async def main() -> list[Any]:
        leader, given_up, waiting = (asyncio.create_task(slow(1)) for _ in range(3))
        await asyncio.sleep(0.02)
        given_up.cancel()
        return await asyncio.gather(leader, waiting, given_up, return_exceptions=True)

    first, second, last = asyncio.run(main())
    assert (first, second, calls) == (1, 1, [1]) and isinstance(last, asyncio.CancelledError)


def test_tasks_that_want_each_others_results_do_not_wait_for_ever(
    cache: ndstash.Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ndstash._memo.aio.NESTED_WAIT", 0.1)
    functions: list[Any] = []
    calls: list[int] = []

    def make(at: int) -> Any:
        async def function(x: int) -> int:
            is_first = at not in calls
            calls.append(at)
            while len(set(calls)) < 2:
                await asyncio.sleep(0.001)
            # Whichever of the two gives up waiting, and when, a result is what it is.
            if is_first:
                assert await functions[1 - at](x) == x + 1 - at
            return x + at

        return cache.memoize(function, name=f"f{at}", version="1")

    functions += [make(0), make(1)]

    async def main() -> list[int]:
        return await asyncio.wait_for(asyncio.gather(functions[0](1), functions[1](1)), 20)

    assert asyncio.run(main()) == [1, 2]


def test_a_stale_result_while_another_process_computes(cache: ndstash.Cache) -> None:
    @cache.memoize(name="f", version="1", expire=0.1, stale=60)
    async def function(x: int) -> int:
        return len(calls)

    calls: list[int] = []
    assert asyncio.run(function(1)) == 0
    calls.append(1)
    time.sleep(0.2)
    taken, done = threading.Event(), threading.Event()

    def compute() -> None:
        with ndstash.Cache(cache.directory)._handle.core.flight(function.key(1), 1.0):
            taken.set()
            done.wait(30)

    thread = threading.Thread(target=compute)
    thread.start()
    taken.wait(30)
    try:
        assert asyncio.run(asyncio.wait_for(function(1), 10)) == 0
    finally:
        done.set()
        thread.join()
    assert asyncio.run(function(1)) == 1
