"""Compares ndstash with what people use today, on the same work, in one run.

python benches/peers.py [--size MiB] [--rounds N] [--dir DIR]

All that is compared is done in turn, round by round; figures are medians of the rounds, ratios are those of medians.
Exits with 1 if a target is missed. Peers that are not installed are left out, and said so.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import ndstash

MIB = 1 << 20
Work = Callable[[], object]


@dataclass
class Report:
    """What was measured, and what was missed."""

    missed: list[str] = field(default_factory=list)

    def head(self, text: str) -> None:
        print(f"\n{text}")

    def times(self, medians: dict[str, float]) -> None:
        own = medians["ndstash"]
        for name, seconds in sorted(medians.items(), key=lambda pair: pair[1]):
            print(f"  {name:<28}{shown(seconds):>12}  {seconds / own:>10.2f} x ndstash")

    def note(self, text: str) -> None:
        print(f"  {text}")

    def target(self, text: str, value: float, bound: float, *, at_least: bool) -> None:
        met = value >= bound if at_least else value <= bound
        word = "at least" if at_least else "at most"
        print(f"  {text}: {value:.3g}  [{word} {bound:g}: {'met' if met else 'MISSED'}]")
        if not met:
            self.missed.append(text)


def shown(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            return f"{seconds * scale:.3g} {unit}"
    raise AssertionError


def medians(works: dict[str, Work], rounds: int, *, repeat: int = 1, before: Work | None = None) -> dict[str, float]:
    """The median time of one call of each, over rounds in which all take turns, each round another one first."""
    times: dict[str, list[float]] = {name: [] for name in works}
    order = list(works.items())
    for _ in range(rounds):
        order.append(order.pop(0))
        for name, work in order:
            if before is not None:
                before()
            start = time.perf_counter()
            for _ in range(repeat):
                work()
            times[name].append((time.perf_counter() - start) / repeat)
    return {name: statistics.median(each) for name, each in times.items()}


def peer(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: left out")
        return None


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="peers-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def disk_bytes(path: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in path.rglob("*") if file.is_file())


def small_hit(report: Report, peers: dict[str, ModuleType | None], path: Path, rounds: int) -> None:
    report.head("hit of a memoized function with a result of 1 KB")

    def compute(n: int, scale: float = 1.0) -> bytes:
        return bytes(n)

    calls: dict[str, Work] = {}
    own = ndstash.Cache(path / "ndstash").memoize(compute)
    calls["ndstash"] = lambda: own(1024, scale=2.0)
    if diskcache := peers["diskcache"]:
        of_diskcache = diskcache.Cache(str(path / "diskcache")).memoize()(compute)
        calls["DiskCache.memoize"] = lambda: of_diskcache(1024, scale=2.0)
    if joblib := peers["joblib"]:
        of_joblib = joblib.Memory(str(path / "joblib"), verbose=0).cache(compute)
        calls["joblib.Memory"] = lambda: of_joblib(1024, scale=2.0)
    if klepto := peers["klepto"]:
        archive = klepto.archives.dir_archive(str(path / "klepto"), cached=False, serialized=True)
        of_klepto = klepto.inf_cache(cache=archive)(compute)
        calls["klepto (dir archive)"] = lambda: of_klepto(1024, scale=2.0)
    for call in calls.values():
        call()
    found = medians(calls, max(rounds, 7), repeat=300)
    report.times(found)
    if "DiskCache.memoize" in found:
        report.target("of DiskCache's hit", found["ndstash"] / found["DiskCache.memoize"], 1.0, at_least=False)
    if "joblib.Memory" in found:
        report.target("faster than joblib", found["joblib.Memory"] / found["ndstash"], 8, at_least=True)


def large_hit(report: Report, peers: dict[str, ModuleType | None], path: Path, array: np.ndarray, rounds: int) -> None:
    report.head(f"hit of a memoized function with a result of {array.nbytes // MIB} MiB, not looked at")
    calls: dict[str, Work] = {}
    own = ndstash.Cache(path / "ndstash").memoize(lambda seed: array, version="1", name="large")
    calls["ndstash"] = lambda: own(1)
    if joblib := peers["joblib"]:

        def compute(seed: int) -> np.ndarray:
            return array

        plain = joblib.Memory(str(path / "plain"), verbose=0).cache(compute)
        mapped = joblib.Memory(str(path / "mapped"), mmap_mode="r", verbose=0).cache(compute)
        calls["joblib.Memory"] = lambda: plain(1)
        calls["joblib.Memory, mmap"] = lambda: mapped(1)
    np.save(path / "a.npy", array)
    calls["np.load"] = lambda: np.load(path / "a.npy")
    calls["np.load, mmap"] = lambda: np.load(path / "a.npy", mmap_mode="r")
    for call in calls.values():
        call()
    found = medians(calls, rounds)
    report.times(found)
    report.target("milliseconds", found["ndstash"] * 1e3, 1, at_least=False)
    if "joblib.Memory" in found:
        report.target("faster than joblib", found["joblib.Memory"] / found["ndstash"], 500, at_least=True)


def put(report: Report, peers: dict[str, ModuleType | None], path: Path, array: np.ndarray, rounds: int) -> None:
    report.head(f"put of {array.nbytes // MIB} MiB that are new, on disk when it returns")
    cache = ndstash.Cache(path / "ndstash")
    number = iter(range(1, 1000))

    def fresh() -> None:
        array.flat[0] = next(number)
        cache.clear()
        cache.cull()
        for file in path.glob("peer*"):
            file.unlink()
        os.sync()

    def save_and_sync() -> None:
        with open(path / "peer.npy", "wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())

    def set_array() -> None:
        cache["array"] = array

    works: dict[str, Work] = {"ndstash": set_array, "np.save + fsync": save_and_sync}
    found = medians(works, rounds, before=fresh)
    report.times(found)
    report.target("of np.save + fsync", found["ndstash"] / found["np.save + fsync"], 1.0, at_least=False)

    report.head("the same, where its bytes are there already")
    fresh()
    set_array()
    works = {"ndstash": set_array}
    if joblib := peers["joblib"]:
        works["joblib.dump"] = lambda: joblib.dump(array, path / "peer.joblib")
    works["np.save"] = lambda: np.save(path / "peer.npy", array)
    works["pickle"] = lambda: (path / "peer.pickle").write_bytes(pickle.dumps(array, protocol=5))
    report.times(medians(works, rounds))


def argument(report: Report, peers: dict[str, ModuleType | None], path: Path, array: np.ndarray, rounds: int) -> None:
    report.head(f"key of a call with an argument of {array.nbytes // MIB} MiB")
    cache = ndstash.Cache(path / "ndstash")

    @cache.memoize(version="1", name="mean")
    def mean(data: np.ndarray) -> float:
        return float(data[0])

    cache["array"] = array
    stored = cache["array"]
    works: dict[str, Work] = {"ndstash": lambda: mean.key(array), "ndstash, from the store": lambda: mean.key(stored)}
    if joblib := peers["joblib"]:
        works["joblib.hash"] = lambda: joblib.hash(array)
    found = medians(works, rounds)
    found["ndstash, from the store"] = medians({"it": lambda: mean.key(stored)}, 7, repeat=200)["it"]
    report.times(found)
    if "joblib.hash" in found:
        report.target("faster than joblib.hash", found["joblib.hash"] / found["ndstash"], 8, at_least=True)
    report.target("microseconds, from the store", found["ndstash, from the store"] * 1e6, 50, at_least=False)


def ten_keys(report: Report, peers: dict[str, ModuleType | None], path: Path, array: np.ndarray) -> None:
    report.head(f"ten keys of equal content, {array.nbytes // MIB} MiB each: bytes on disk, in those of one")
    cache = ndstash.Cache(path / "ndstash")
    for key in range(10):
        cache[key] = array
    report.target("ndstash", disk_bytes(path / "ndstash") / array.nbytes, 1.01, at_least=False)
    if joblib := peers["joblib"]:
        memory = joblib.Memory(str(path / "joblib"), verbose=0)

        def compute(key: int) -> np.ndarray:
            return array

        compute = memory.cache(compute)
        for key in range(10):
            compute(key)
        report.note(f"joblib: {disk_bytes(path / 'joblib') / array.nbytes:.2f}")
    if diskcache := peers["diskcache"]:
        other = diskcache.Cache(str(path / "diskcache"), size_limit=1 << 40)
        for key in range(10):
            other[key] = array
        report.note(f"DiskCache: {disk_bytes(path / 'diskcache') / array.nbytes:.2f}")


CHILD = """
import sys
import {module}
def anonymous():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
value = {first}
before = anonymous()
value = {load}
value.sum()
print(anonymous() - before)
"""


def resident(report: Report, peers: dict[str, ModuleType | None], path: Path, array: np.ndarray) -> None:
    report.head(f"memory of its own that a process needs for a hit of {array.nbytes // MIB} MiB, read through, in MiB")
    cache = ndstash.Cache(path / "ndstash")
    cache["array"], cache["first"] = array, array[:1]
    opened = f"ndstash.Cache({str(path / 'ndstash')!r})"
    own = in_child("ndstash", f"{opened}['first']", f"{opened}['array']")
    report.target("ndstash", own, array.nbytes / MIB / 100 + 8, at_least=False)
    if joblib := peers["joblib"]:
        for name in ("first", "array"):
            joblib.dump(array[:1] if name == "first" else array, path / name)
        load = f"joblib.load({str(path)!r} + '/{{}}')"
        report.note(f"joblib.load: {in_child('joblib', load.format('first'), load.format('array')):.1f}")


def in_child(module: str, first: str, load: str) -> float:
    code = CHILD.format(module=module, first=first, load=load)
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="of the large array, in MiB (1024)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--dir", type=Path, default=Path(), help="where to work: on the disk that is to be measured (.)")
    parser.add_argument("--only", help="the one comparison to run: small_hit, large_hit, put, argument, ten_keys, resident")
    options = parser.parse_args()
    peers = {name: peer(name) for name in ("joblib", "diskcache", "klepto")}
    array: Any = np.random.default_rng(1).standard_normal(options.size * MIB // 8)
    report = Report()
    works: dict[str, Callable[[Path], None]] = {
        "small_hit": lambda path: small_hit(report, peers, path, options.rounds),
        "large_hit": lambda path: large_hit(report, peers, path, array, options.rounds),
        "put": lambda path: put(report, peers, path, array, options.rounds),
        "argument": lambda path: argument(report, peers, path, array, options.rounds),
        "ten_keys": lambda path: ten_keys(report, peers, path, array[: min(len(array), 256 * MIB // 8)]),
        "resident": lambda path: resident(report, peers, path, array),
    }
    print(f"ndstash {ndstash.__version__}, numpy {np.__version__}, {os.cpu_count()} cores, medians of {options.rounds}")
    for name, work in works.items():
        if options.only in (None, name):
            with scratch(options.dir) as path:
                work(path)
            gc.collect()
    print("\nmissed: " + ", ".join(report.missed) if report.missed else "\nall targets met")
    return bool(report.missed)


if __name__ == "__main__":
    sys.exit(main())
