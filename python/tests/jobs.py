"""Work for processes that tests start: functions that a fresh process can import."""

import os
import pickle
import resource
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import ndstash


def note(log: str, text: str) -> None:
    """Adds a line to a file, whole, whoever else writes to it."""
    with open(log, "a") as file:
        file.write(text + "\n")


def lines(log: str) -> list[str]:
    """The lines of a file; none, if it is not there."""
    return Path(log).read_text().splitlines() if os.path.exists(log) else []


def wait_for(log: str, count: int, seconds: float = 30.0) -> None:
    """Waits until a file has so many lines."""
    end = time.monotonic() + seconds
    while len(lines(log)) < count:
        assert time.monotonic() < end, f"{log} has {len(lines(log))} lines of {count}"
        time.sleep(0.005)


def slow(directory: str, log: str, x: int, seconds: float) -> Any:
    """A slow function, that notes when it is computed."""

    def compute(x: int) -> Any:
        note(log, f"computing {x}")
        time.sleep(seconds)
        return np.full(100_000, x)

    memoized = ndstash.Cache(directory).memoize(compute, name="slow", version="1")
    return int(memoized(x)[0]), memoized.stats().misses


def put_many(directory: str, first: int, count: int) -> None:
    """Puts keys of its own."""
    cache = ndstash.Cache(directory)
    for key in range(first, first + count):
        cache[key] = np.full(20_000, key)


def overwrite(directory: str, log: str, until: int) -> None:
    """Replaces one value again and again, until a file has so many lines."""
    cache = ndstash.Cache(directory)
    count = 0
    while len(lines(log)) < until:
        count += 1
        cache["k"] = np.full(50_000, count)
    note(log, f"overwritten {count}")


def add_up(directory: str, count: int) -> None:
    """Counts."""
    cache = ndstash.Cache(directory)
    for _ in range(count):
        cache.incr("count")


def add_first(directory: str, name: str) -> bool:
    """Tries to be the first."""
    return ndstash.Cache(directory).add("first", name)


def pop_all(directory: str, keys: list[int]) -> list[int]:
    """Takes what it can get."""
    cache = ndstash.Cache(directory)
    return [key for key in keys if cache.pop(key) is not None]


def outcome(function: Any, *args: Any) -> tuple[Any, list[str]]:
    """What a call returns, and the warnings it gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = function(*args)
    return value, [str(warning.message) for warning in caught]


def large(x: int) -> Any:
    """A result of eight megabytes."""
    return np.full(1_000_000, float(x))


def with_full_disk(directory: str) -> tuple[float, list[str], list[str], int]:
    """Calls a memoized function where no file may be longer than a megabyte."""
    memoized = ndstash.Cache(directory).memoize(large, name="large", version="1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    first, told = outcome(memoized, 3)
    _, told_again = outcome(memoized, 4)
    return float(first.sum()), told, told_again, memoized.stats().failures


def without_rights(directory: str) -> tuple[float, list[str]]:
    """Calls a memoized function where the directory cannot be written."""
    memoized = ndstash.Cache(directory).memoize(large, name="large", version="1")
    if os.geteuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)
    else:
        for folder, _, _ in os.walk(directory):
            os.chmod(folder, 0o500)
    value, told = outcome(memoized, 3)
    return float(value.sum()), told


def get_by(reference: Any) -> Any:
    """What a reference stands for."""
    return reference.get()


def call_pickled(data: bytes, x: int) -> tuple[str, bool, int]:
    """What a memoized function says that came here by cloudpickle."""
    memoized = pickle.loads(data)
    return memoized.version, memoized.cached(x), memoized(x)


def item_of(cache: Any, key: Any) -> Any:
    """What a cache that came here has."""
    return cache[key]


def square(x: int) -> int:
    """A function that is memoized under its own name in `squares`."""
    return x * x


def digest_of(directory: str, text: str) -> str:
    """The key of a call with a text."""
    return ndstash.Cache(directory).memoize(square, version="1").key(text).digest
