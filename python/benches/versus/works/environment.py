"""An environment of LMDB, which syncs each transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

# LMDB keeps the length of a value in 32 bits.
AT_MOST_MIB = 4096
MAP_BYTES = 1 << 40


class Environment:
    """Opened for as long as it is used."""

    def __init__(self, lmdb: Any, path: Path) -> None:
        self.lmdb, self.path = lmdb, path
        self.opened = lmdb.open(str(path), map_size=MAP_BYTES)

    def put(self, key: bytes, value: Any) -> None:
        with self.opened.begin(write=True) as transaction:
            transaction.put(key, value)

    def get(self, key: bytes) -> Any:
        with self.opened.begin() as transaction:
            return transaction.get(key)

    def look(self, key: bytes, use: Callable[[Any], object]) -> None:
        """Hands the mapped value to something while it is there."""
        with self.opened.begin(buffers=True) as transaction:
            use(transaction.get(key))

    def clear(self) -> None:
        self.opened.close()
        rmtree(self.path)
        self.opened = self.lmdb.open(str(self.path), map_size=MAP_BYTES)
