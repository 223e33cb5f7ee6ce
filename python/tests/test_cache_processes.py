"""The cache under many processes."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path

import jobs
import numpy as np

import ndstash

Processes = Callable[[int], ProcessPoolExecutor]


def test_many_processes_distinct_keys(tmp_path: Path, processes: Processes) -> None:
    directory = str(tmp_path / "cache")
    pool = processes(4)
    wait([pool.submit(jobs.put_many, directory, 40 * job, 40) for job in range(4)])
    cache = ndstash.Cache(directory)
    assert sorted(cache) == list(range(160))
    assert all((cache[key] == key).all() for key in range(160))


def test_overwrite_while_reading(tmp_path: Path, processes: Processes) -> None:
    cache, log = ndstash.Cache(tmp_path / "cache"), str(tmp_path / "log")
    cache["k"] = np.zeros(50_000, int)
    writer = processes(1).submit(jobs.overwrite, cache.directory, log, 1)
    seen = set()
    while len(seen) < 30:
        array = cache["k"]
        assert (array == array[0]).all()
        seen.add(int(array[0]))
    jobs.note(log, "enough")
    writer.result()
    assert f"overwritten {cache['k'][0]}" in jobs.lines(log)


def test_counters_lose_nothing(tmp_path: Path, processes: Processes) -> None:
    directory = str(tmp_path / "cache")
    pool = processes(3)
    for job in [pool.submit(jobs.add_up, directory, 50) for _ in range(3)]:
        job.result()
    assert ndstash.Cache(directory)["count"] == 150


def test_one_of_many_adds(tmp_path: Path, processes: Processes) -> None:
    directory = str(tmp_path / "cache")
    pool = processes(4)
    won = [job.result() for job in [pool.submit(jobs.add_first, directory, name) for name in "abcdefgh"]]
    assert won.count(True) == 1
    assert ndstash.Cache(directory)["first"] == "abcdefgh"[won.index(True)]


def test_one_of_many_pops(tmp_path: Path, processes: Processes) -> None:
    cache, keys = ndstash.Cache(tmp_path / "cache"), list(range(60))
    for key in keys:
        cache[key] = "work"
    pool = processes(3)
    taken = [pool.submit(jobs.pop_all, cache.directory, keys) for _ in range(3)]
    assert sorted(key for job in taken for key in job.result()) == keys
    assert len(cache) == 0
