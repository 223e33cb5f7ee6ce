"""A large array: put, put again, found mapped, loaded."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np

import ndstash
from versus.measure import MIB, Kind, Work, times
from versus.report import Comparison, Target
from versus.setting import Setting
from versus.works.environment import AT_MOST_MIB, Environment


def put(setting: Setting, path: Path) -> Iterator[Comparison]:
    array, cache = setting.array, ndstash.Cache(path / "ndstash", durability="full")
    deferred = ndstash.Cache(path / "ndstash deferred")
    content = array.view(np.uint8)
    file, peers = path / "peer", setting.peers
    works = [
        Work("ndstash", lambda: cache.set("array", array), Kind.OWN),
        Work("ndstash, deferred", lambda: deferred.set("array", array), Kind.ASIDE),
        Work("write + fsync (the limit)", lambda: synced(file, lambda: write(file, content)), Kind.ASIDE),
        Work("np.save + fsync", lambda: synced(file, lambda: save(file, array))),
    ]
    if joblib := peers.get("joblib"):
        works.append(Work("joblib.dump + fsync", lambda: synced(file, lambda: joblib.dump(array, file))))
        works.append(Work("joblib.dump, not synced", lambda: joblib.dump(array, file), Kind.ASIDE))
    if h5py := peers.get("h5py"):
        works.append(Work("h5py + fsync", lambda: synced(file, lambda: write_h5(h5py, file, array))))
    environment = None
    if "lmdb" in peers and setting.mib < AT_MOST_MIB:
        environment = Environment(peers["lmdb"], path / "lmdb")
        works.append(Work("LMDB, synced", lambda: environment.put(b"array", array)))
    number = iter(range(1, 1 << 30))

    def fresh() -> None:
        array[0] = next(number)
        for each in cache, deferred:
            each.flush()
            each.clear()
            each.cull()
        file.unlink(missing_ok=True)
        if environment:
            environment.clear()
        # The file system has removed them too, before the next one waits for it.
        synced(path / "removed", lambda: (path / "removed").write_bytes(b"1"))

    found = Comparison(
        f"put of {setting.size} that are new, on disk when it returns",
        "The content is another one each time, nothing of it is in the store, and the file of the work before is gone, with "
        "what of it was not on disk yet. What is not synced may be lost with the power; it is shown, and no peer here. "
        "\"Deferred\", the default of a cache, is on disk about a second later. Its limit is what hashing and writing into the "
        "page cache take of the processor, shared by all cores.",
        "seconds",
        times(works, setting.rounds, before=fresh),
    )
    found.want_ratio("write + fsync (the limit)", 0.9)
    found.want_ratio("np.save + fsync", 1.0)
    found.want_ratio_to("joblib.dump, not synced", "ndstash, deferred", 1.0)
    busy = median(busy_seconds(file, content) for _ in range(setting.rounds)) / len(os.sched_getaffinity(0))
    if own := found.named("ndstash, deferred"):
        name = "hashing and writing on all cores / ndstash, deferred"
        found.targets.append(Target(name, busy / own.figure.median, 0.8, at_least=True))
    yield found


def busy_seconds(file: Path, content: Any) -> float:
    """Processor time of hashing some content, and of writing it without a sync."""
    file.unlink(missing_ok=True)
    start = process_time()
    ndstash._core.digest(content.data)
    write(file, content)
    return process_time() - start


def there(setting: Setting, path: Path) -> Iterator[Comparison]:
    array, cache = setting.array, ndstash.Cache(path / "ndstash")
    cache["array"] = array
    file, peers = path / "peer", setting.peers
    works = [
        Work("ndstash", lambda: cache.set("array", array), Kind.OWN),
        Work("BLAKE3 on all cores (the limit)", lambda: ndstash._core.digest(array.data), Kind.ASIDE),
        Work("np.save", lambda: save(file, array)),
        Work("pickle.dump", lambda: dump(file, array)),
    ]
    if joblib := peers.get("joblib"):
        works.append(Work("joblib.dump", lambda: joblib.dump(array, file)))
    if h5py := peers.get("h5py"):
        works.append(Work("h5py", lambda: write_h5(h5py, file, array)))

    def fresh() -> None:
        file.unlink(missing_ok=True)

    found = Comparison(
        f"put of {setting.size} that are there already",
        "ndstash hashes the content and finds it. The peers write it again, into the page cache: none of them is synced.",
        "seconds",
        times(works, setting.rounds, before=fresh),
    )
    found.want_ratio("BLAKE3 on all cores (the limit)", 0.95)
    found.want_ratio("joblib.dump", 2.5)
    yield found


def hit(setting: Setting, path: Path) -> Iterator[Comparison]:
    array, peers = setting.array, setting.peers
    cache = ndstash.Cache(path / "ndstash")
    large = cache.memoize(lambda seed: array, version="1", name="large")
    little = cache.memoize(lambda seed: array[: MIB // 8], version="1", name="little")
    cache["array"] = array
    np.save(path / "a.npy", array)
    works = [
        Work("ndstash", lambda: large(1), Kind.OWN),
        Work("ndstash, 1 MiB", lambda: little(1), Kind.OWN),
        Work("ndstash, as a mapping", lambda: cache["array"], Kind.OWN),
        Work("np.load", lambda: np.load(path / "a.npy")),
        Work("np.load, mmap", lambda: np.load(path / "a.npy", mmap_mode="r")),
    ]
    if joblib := peers.get("joblib"):
        for name, mode in (("joblib.Memory", None), ("joblib.Memory, mmap", "r")):
            works.append(Work(name, remembered(joblib, path / f"joblib {mode}", mode, array)))
    if "lmdb" in peers and setting.mib < AT_MOST_MIB:
        environment = Environment(peers["lmdb"], path / "lmdb")
        environment.put(b"array", array)
        works.append(Work("LMDB, until its transaction ends", lambda: environment.look(b"array", np.frombuffer), Kind.ASIDE))
    found = Comparison(
        f"hit of a memoized function with a result of {setting.size}, not looked at",
        "The key is made, the entry found, the result handed out. The time should not depend on the size of the result. "
        "LMDB is given the key and nothing is checked; what it hands out is memory that goes with the transaction.",
        "seconds",
        times(works, setting.rounds),
    )
    found.want_at_most("milliseconds", found.own.figure.median * 1e3, 1)
    found.want_ratio("np.load, mmap", 2.5)
    found.want_ratio("joblib.Memory, mmap", 10)
    found.want_ratio("joblib.Memory", 500)
    if (reference := found.named("ndstash, 1 MiB")) is not None:
        found.want_at_most(f"{setting.size} / 1 MiB", found.own.figure.median / reference.figure.median, 1.5)
    yield found


def owned(setting: Setting, path: Path) -> Iterator[Comparison]:
    array, peers = setting.array, setting.peers
    cache = ndstash.Cache(path / "ndstash", mmap_mode=None)
    cache["array"] = array
    np.save(path / "a.npy", array)
    dump(path / "a.pickle", array)
    works = [
        Work("ndstash", lambda: cache["array"], Kind.OWN),
        Work("np.load", lambda: np.load(path / "a.npy")),
        Work("pickle.load", lambda: load(path / "a.pickle")),
    ]
    if joblib := peers.get("joblib"):
        joblib.dump(array, path / "a.joblib")
        works.append(Work("joblib.load", lambda: joblib.load(path / "a.joblib")))
    if diskcache := peers.get("diskcache"):
        other = diskcache.Cache(str(path / "diskcache"), size_limit=1 << 40)
        other["array"] = array
        works.append(Work("DiskCache", lambda: other["array"]))
    if h5py := peers.get("h5py"):
        write_h5(h5py, path / "a.h5", array)
        works.append(Work("h5py", lambda: read_h5(h5py, path / "a.h5")))
    found = Comparison(
        f"load of {setting.size} into memory of its own",
        "With `mmap_mode=None`. ndstash checks the content against its digest, in the same pass; no peer checks anything. "
        "The files are in the page cache.",
        "seconds",
        times(works, setting.rounds),
    )
    found.want_ratio("joblib.load", 1.0)
    yield found


def remembered(joblib: Any, path: Path, mode: str | None, array: Any) -> Callable[[], object]:
    def compute(seed: int) -> Any:
        return array

    function = joblib.Memory(str(path), mmap_mode=mode, verbose=0).cache(compute)
    return lambda: function(1)


def synced(path: Path, work: Callable[[], object]) -> None:
    """Does something, and brings the file that it makes to the disk."""
    work()
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.close(file)


def write(path: Path, content: Any) -> None:
    with open(path, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]


def save(path: Path, array: Any) -> None:
    with open(path, "wb") as file:
        np.save(file, array)


def dump(path: Path, array: Any) -> None:
    with open(path, "wb") as file:
        pickle.dump(array, file, protocol=5)


def load(path: Path) -> object:
    with open(path, "rb") as file:
        return pickle.load(file)


def write_h5(h5py: Any, path: Path, array: Any) -> None:
    with h5py.File(path, "w") as file:
        file["array"] = array


def read_h5(h5py: Any, path: Path) -> object:
    with h5py.File(path, "r") as file:
        return file["array"][()]
