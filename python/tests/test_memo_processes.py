"""Memoized functions in many processes: computed once, sent, and given up on."""

import os
import pickle
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cloudpickle
import jobs
import numpy as np
import pytest

import ndstash

Processes = Callable[[int], ProcessPoolExecutor]


def test_many_processes_one_key(tmp_path: Path, processes: Processes) -> None:
    directory, log = str(tmp_path / "cache"), str(tmp_path / "log")
    pool = processes(6)
    results = [job.result() for job in [pool.submit(jobs.slow, directory, log, 7, 0.5) for _ in range(6)]]
    assert [value for value, _ in results] == [7] * 6
    assert jobs.lines(log) == ["computing 7"]


def test_many_processes_distinct_slow_keys(tmp_path: Path, processes: Processes) -> None:
    directory, log = str(tmp_path / "cache"), str(tmp_path / "log")
    pool = processes(6)
    list(pool.map(jobs.slow, [directory] * 6, [log] * 6, range(6), [0.0] * 6))
    start = time.monotonic()
    results = list(pool.map(jobs.slow, [directory] * 6, [log] * 6, range(10, 16), [1.0] * 6))
    assert [value for value, _ in results] == list(range(10, 16))
    assert time.monotonic() - start < 5


def test_holder_of_a_lock_killed(tmp_path: Path, processes: Processes) -> None:
    directory, log = str(tmp_path / "cache"), str(tmp_path / "log")
    pool = processes(1)
    victim = pool.submit(os.getpid).result()
    doomed = pool.submit(jobs.slow, directory, log, 7, 60.0)
    jobs.wait_for(log, 1)
    waiting = processes(1).submit(jobs.slow, directory, log, 7, 0.0)
    time.sleep(0.3)
    assert not waiting.done()
    os.kill(victim, signal.SIGKILL)
    assert waiting.result(timeout=20) == (7, 1)
    with pytest.raises(BrokenProcessPool):
        doomed.result()


def test_memoized_functions_are_sent(cache: ndstash.Cache, processes: Processes) -> None:
    memoized = cache.memoize(jobs.square)
    pool = processes(2)
    assert list(pool.map(memoized, range(5))) == [0, 1, 4, 9, 16]
    assert pool.submit(memoized.using(verbose=0), 3).result() == 9
    pool.shutdown()
    assert all(memoized.cached(x) for x in range(5)) and tuple(memoized.stats()) == (1, 5)
    copy = pickle.loads(pickle.dumps(memoized))
    assert copy.version == memoized.version and copy.cached(4)


def test_decorated_functions_are_sent_by_name(tmp_path: Path, module: Callable[[str], Any]) -> None:
    made = module(
        f"""
import ndstash
cache = ndstash.Cache({str(tmp_path / "cache")!r})

@cache.memoize
def function(x):
    return x + 1

class Thing:
    def __init__(self, n):
        self.n = n

    @cache.memoize
    def method(self, x):
        return self.n + x
"""
    )
    assert pickle.loads(pickle.dumps(made.function)) is made.function
    assert pickle.loads(pickle.dumps(made.Thing.method)) is made.Thing.method
    assert pickle.loads(pickle.dumps(made.Thing(3).method))(4) == 7
    assert pickle.loads(pickle.dumps(made.function.using(tag="x").using(expire=60)))(1) == 2
    (entry,) = made.function.entries()
    assert entry.tags == ("x",) and entry.expires is not None
    assert len(pickle.dumps(made.function)) < 200


def test_what_cannot_be_imported_is_sent_by_cloudpickle(cache: ndstash.Cache, processes: Processes) -> None:
    offset = 10

    @cache.memoize
    def function(x: int) -> int:
        return x + offset

    assert function(1) == 11
    copy = cloudpickle.loads(cloudpickle.dumps(function))
    assert copy is not function and copy.version == function.version and copy.cached(1)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(function)
    job = processes(1).submit(jobs.call_pickled, cloudpickle.dumps(function), 1)
    assert job.result() == (function.version, True, 11)


def test_references_are_small_and_at_home_everywhere(cache: ndstash.Cache, processes: Processes) -> None:
    reference = cache.memoize(jobs.large).ref(3)
    assert len(pickle.dumps(reference)) < 1000
    assert float(processes(1).submit(jobs.get_by, reference).result().sum()) == 3_000_000
    held = cache.memoize(jobs.square, keep=lambda value: False).ref(3)
    assert processes(1).submit(jobs.get_by, held).result() == 9


def test_map_in_processes_stores_there(cache: ndstash.Cache, processes: Processes) -> None:
    memoized = cache.memoize(jobs.large)
    memoized(2)
    with processes(2) as pool:
        results = memoized.map([1, 2, 3, 1], executor=pool)
    assert [float(array[0]) for array in results] == [1.0, 2.0, 3.0, 1.0]
    assert all(not array.flags.writeable for array in results) and len(memoized.entries()) == 3
    assert memoized.stats().misses == 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_uses_the_cache(cache: ndstash.Cache) -> None:
    memoized = cache.memoize(jobs.square)
    memoized(3)
    child = os.fork()
    if child == 0:
        os._exit(0 if memoized(3) == 9 and memoized(4) == 16 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert memoized.cached(4) and memoized(5) == 25


def test_an_argument_from_the_store_is_not_hashed(cache: ndstash.Cache) -> None:
    cache["a"] = np.random.default_rng(1).random(5_000_000)
    array = cache["a"]
    total = cache.memoize(lambda x: float(x.sum()), name="total", version="1")
    assert total(array) == total(np.array(array))

    def fastest(x: Any) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            total.key(x)
            times.append(time.perf_counter() - start)
        return min(times)

    assert fastest(array) * 20 < fastest(np.array(array))
