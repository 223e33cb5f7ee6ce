"""Equal content under many keys: bytes on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import ndstash
from versus.measure import MIB, Figure, Kind, Row, disk_bytes
from versus.report import Comparison
from versus.setting import Setting, size
from versus.works.environment import Environment

KEYS = 10
AT_MOST_MIB = 256


def ten_keys(setting: Setting, path: Path) -> Iterator[Comparison]:
    peers, mib = setting.peers, min(setting.mib, AT_MOST_MIB)
    array = setting.array[: mib * MIB // 8]
    stores: dict[str, Callable[[Path], Callable[[int, Any], object]]] = {
        "ndstash": lambda place: ndstash.Cache(place).set,
    }
    if joblib := peers.get("joblib"):
        stores["joblib.Memory"] = lambda place: joblib_calls(joblib, place)
    if diskcache := peers.get("diskcache"):
        stores["DiskCache"] = lambda place: diskcache.Cache(str(place), size_limit=1 << 40).set
    if klepto := peers.get("klepto"):
        stores["klepto, dir archive"] = lambda place: klepto.archives.dir_archive(str(place), cached=False).__setitem__
    if lmdb := peers.get("lmdb"):
        stores["LMDB"] = lambda place: lmdb_puts(Environment(lmdb, place))
    rows = []
    for name, opened in stores.items():
        put = opened(path / "store")
        for key in range(KEYS):
            put(key, array)
        # What is not written yet has no blocks.
        os.sync()
        copies = disk_bytes(path / "store") / array.nbytes
        rows.append(Row(name, Figure.of([copies]), Kind.OWN if name == "ndstash" else Kind.PEER))
        rmtree(path / "store")
    found = Comparison(
        f"ten keys of equal content, {size(mib)} each: bytes on disk, in those of one",
        "Blocks of all files of the store. Measured once: it does not vary.",
        "copies",
        rows,
    )
    found.want_at_most("copies", found.own.figure.median, 1.01)
    yield found


def joblib_calls(joblib: Any, path: Path) -> Callable[[int, Any], object]:
    def compute(key: int, value: Any) -> Any:
        return value

    function = joblib.Memory(str(path), verbose=0).cache(compute, ignore=["value"])
    return lambda key, value: function(key, value)


def lmdb_puts(environment: Environment) -> Callable[[int, Any], object]:
    return lambda key, value: environment.put(b"%d" % key, value)
