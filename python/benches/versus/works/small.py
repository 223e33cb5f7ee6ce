"""Small values: found by a memoized function, and put."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import ndstash
from versus.measure import Kind, Work, times
from versus.report import Comparison
from versus.setting import Setting
from versus.works.environment import Environment

BYTES = 1000
MEMORY = 64 << 20


def small_hit(setting: Setting, path: Path) -> Iterator[Comparison]:
    peers = setting.peers

    def compute(n: int, scale: float = 1.0) -> bytes:
        return bytes(n)

    def call(function: Callable[..., object]) -> Callable[[], object]:
        return lambda: function(BYTES, scale=2.0)

    held = ndstash.Cache(path / "ndstash", namespace="held", memory=MEMORY)
    works = [
        Work("ndstash", call(ndstash.Cache(path / "ndstash").memoize(compute)), Kind.OWN),
        Work("ndstash, in memory", call(held.memoize(compute)), Kind.ASIDE),
    ]
    if diskcache := peers.get("diskcache"):
        works.append(Work("DiskCache.memoize", call(diskcache.Cache(str(path / "diskcache")).memoize()(compute))))
    if joblib := peers.get("joblib"):
        works.append(Work("joblib.Memory", call(joblib.Memory(str(path / "joblib"), verbose=0).cache(compute))))
    if klepto := peers.get("klepto"):
        archive = klepto.archives.dir_archive(str(path / "klepto"), cached=False, serialized=True)
        works.append(Work("klepto, dir archive", call(klepto.inf_cache(cache=archive)(compute))))
    if lmdb := peers.get("lmdb"):
        environment = Environment(lmdb, path / "lmdb")
        works.append(Work("LMDB, arguments pickled", call(pickled(environment, compute)), Kind.ASIDE))
    if cachetools := peers.get("cachetools"):
        works.append(Work("cachetools, in memory", call(cachetools.cached(cachetools.LRUCache(1000))(compute)), Kind.ASIDE))
    found = Comparison(
        "hit of a memoized function with a result of 1 KB",
        "A function of two arguments, one of them named. LMDB is no memoizer: what is measured of it is ten lines of Python "
        "that know nothing of the function. cachetools has nothing on disk, and hands out the same object each time. \"In "
        "memory\" is `Cache(..., memory=...)`: the function is checked, and a value of its own handed out, as ever.",
        "seconds",
        times(works, setting.rounds),
    )
    found.want_ratio("DiskCache.memoize", 1.0)
    found.want_ratio("joblib.Memory", 8)
    found.want_ratio_to("cachetools, in memory", "ndstash, in memory", 0.5)
    yield found


def pickled(environment: Environment, function: Callable[..., object]) -> Callable[..., object]:
    """The least that makes a function remember by LMDB."""

    def remembered(*args: object, **kwargs: object) -> object:
        key = pickle.dumps((args, kwargs))
        value = environment.get(key)
        if value is not None:
            return pickle.loads(value)
        result = function(*args, **kwargs)
        environment.put(key, pickle.dumps(result))
        return result

    return remembered


def small_put(setting: Setting, path: Path) -> Iterator[Comparison]:
    peers, numbers = setting.peers, count()
    rest = os.urandom(BYTES - 8)

    def put(into: Callable[[int, bytes], object]) -> Callable[[], object]:
        def one() -> None:
            number = next(numbers)
            into(number, number.to_bytes(8, "big") + rest)

        return one

    files, deferred = path / "files", ndstash.Cache(path / "ndstash deferred")
    files.mkdir()
    works = [
        Work("ndstash", put(ndstash.Cache(path / "ndstash", durability="full").set), Kind.OWN),
        Work("ndstash, deferred", put(deferred.set), Kind.ASIDE),
        Work("a new file + fsync", put(lambda number, value: write_synced(files / str(number), value)), Kind.ASIDE),
    ]
    if diskcache := peers.get("diskcache"):
        full, usual = (diskcache.Cache(str(path / f"diskcache {level}"), sqlite_synchronous=level) for level in (2, 1))
        works.append(Work("DiskCache, synced", put(full.set)))
        works.append(Work("DiskCache, not synced", put(usual.set), Kind.ASIDE))
    if lmdb := peers.get("lmdb"):
        environment = Environment(lmdb, path / "lmdb")
        works.append(Work("LMDB, synced", put(lambda number, value: environment.put(b"%d" % number, value))))
    if joblib := peers.get("joblib"):
        works.append(Work("joblib.Memory, not synced", put(joblib_miss(joblib, path / "joblib")), Kind.ASIDE))
    if klepto := peers.get("klepto"):
        archive = klepto.archives.dir_archive(str(path / "klepto"), cached=False, serialized=True)
        works.append(Work("klepto, not synced", put(archive.__setitem__), Kind.ASIDE))
    found = Comparison(
        "put of 1 KB that are new, on disk when it returns",
        "A new key and a new value each time. \"Synced\" is SQLite's `synchronous=FULL`, and LMDB's default. What is not "
        "synced may be lost with the power; it is shown, and no peer here. \"Deferred\", the default of a cache, is on disk "
        "about a second later, and what it costs then is partly in the figure: it goes on beside. Where ext4 has no "
        "journal, as in some virtual machines, it passes one by one over the numbers of files that were removed in the last "
        "minutes whenever a file is made: all figures here are up to ten times higher then. With a journal it does not.",
        "seconds",
        times(works, setting.rounds),
    )
    found.want_ratio_to("joblib.Memory, not synced", "ndstash, deferred", 3)
    yield found


def joblib_miss(joblib: Any, path: Path) -> Callable[[int, bytes], object]:
    """A call that is computed and stored."""

    def compute(number: int, value: bytes) -> bytes:
        return value

    function = joblib.Memory(str(path), verbose=0).cache(compute, ignore=["value"])
    return lambda number, value: function(number, value)


def write_synced(path: Path, value: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(value)
        os.fsync(file.fileno())
