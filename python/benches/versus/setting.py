"""What a comparison is given: where, how large, how often, with whom."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import ModuleType

import numpy as np
import numpy.typing as npt

from versus.measure import MIB

PEERS = ("joblib", "diskcache", "klepto", "cachetools", "lmdb", "h5py")


@dataclass(frozen=True)
class Setting:
    """`processes`: how many share a hit."""

    directory: Path
    mib: int
    rounds: int
    processes: int
    peers: Mapping[str, ModuleType]

    @cached_property
    def array(self) -> npt.NDArray[np.float64]:
        """The large array. Nothing in it can be left out or packed."""
        return np.random.default_rng(1).standard_normal(self.mib * MIB // 8)

    @property
    def size(self) -> str:
        return size(self.mib)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty directory, gone afterwards, and with it what of it is not on disk yet."""
        path = Path(mkdtemp(prefix="peers-", dir=self.directory))
        try:
            yield path
        finally:
            rmtree(path)


def size(mib: int) -> str:
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"


def installed(names: list[str]) -> dict[str, ModuleType]:
    """Those of the peers that are there."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.import_module(name)
        except ImportError:
            print(f"{name} is not installed: left out")
    return found
