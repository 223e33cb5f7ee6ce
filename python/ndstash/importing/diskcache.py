"""Items of a `diskcache.Cache`, or of all shards of a `FanoutCache`, become items of an `ndstash.Cache`.

Keys, values, tags, when they were stored and what is left of their time come over; how often they were used does not.
What a memoized function stored comes over under the tuple that was its key, where a function of `ndstash` does not look.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import time
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import quote

from ndstash._cache import Cache
from ndstash._handle import Labels
from ndstash.codec import Pickles
from ndstash.importing.items import add, beside, bytes_of, report_on
from ndstash.importing.report import Report
from ndstash.importing.trust import check

DATABASE: Final = "cache.db"
RAW, BINARY, TEXT, PICKLE = 1, 2, 3, 4
COLUMNS: Final = "key, raw, store_time, expire_time, tag, mode, filename, value"

_SHARD: Final = re.compile("[0-9]{3}")


class Row(NamedTuple):
    """An item as DiskCache keeps it."""

    key: Any
    raw: int
    stored: float | None
    expires: float | None
    tag: Any
    mode: int
    filename: str | None
    value: Any


def bring(
    path: str, into: str | None = None, pickles: Pickles = "owned", *, as_json: bool = False, progress: bool = True
) -> Report:
    """Imports a directory of DiskCache. Only reads it.

    into: the directory of the `ndstash.Cache`, by default one beside, whose name ends in `.ndstash`. What it has stays.
    as_json: the cache was made with `disk=diskcache.JSONDisk`, which the directory does not tell.
    progress: shows how far it is, if somebody looks.

    Raises FileNotFoundError if there is no such cache, sqlite3.Error if its database cannot be read, IOFailed, Invalid.
    """
    target = beside(path, into)
    directories = _directories(path)
    sources = [_Source(directory, pickles, as_json) for directory in directories]
    total = sum(source.count() for source in sources)
    report = report_on(target)
    with Cache(target) as cache, report.shown(total, progress):
        for source in sources:
            _bring_all(source, cache, report)
        report.bytes_before = sum(bytes_of(directory) for directory in directories)
        report.bytes_after = cache.volume()
    return report


def _directories(path: str) -> list[str]:
    """Where the databases are."""
    if os.path.isfile(os.path.join(path, DATABASE)):
        return [path]
    names = sorted(filter(_SHARD.fullmatch, os.listdir(path)))
    shards = [os.path.join(path, name) for name in names if os.path.isfile(os.path.join(path, name, DATABASE))]
    if not shards:
        raise FileNotFoundError(f"there is no {DATABASE} in {path}, nor in directories 000, 001 and so on")
    return shards


def _bring_all(source: _Source, cache: Cache, report: Report) -> None:
    for row in source.rows():
        with report.entry(f"{source.directory}: {_short(row)}"):
            if row.expires is not None and row.expires <= time():
                report.expired += 1
            else:
                report.count(source.bring(row, cache))


class _Source:
    """One directory with a database."""

    def __init__(self, directory: str, pickles: Pickles, as_json: bool) -> None:
        self.directory = directory
        self._pickles = pickles
        self._as_json = as_json

    def count(self) -> int:
        """How many items there are."""
        with self._database() as database:
            (count,) = database.execute("SELECT COUNT(*) FROM Cache").fetchone()
        return int(count)

    def rows(self) -> Iterator[Row]:
        """The items, in the order in which they were stored."""
        with self._database() as database:
            for row in database.execute(f"SELECT {COLUMNS} FROM Cache ORDER BY rowid"):
                yield Row(*row)

    def _database(self) -> closing[sqlite3.Connection]:
        name = quote(os.path.abspath(os.path.join(self.directory, DATABASE)))
        return closing(sqlite3.connect(f"file:{name}?mode=ro", uri=True))

    def bring(self, row: Row, cache: Cache) -> bool:
        """Adds an item; False if the cache has one of that key."""
        key = self._key(row)
        expire = None if row.expires is None else row.expires - time()
        tags = () if row.tag is None else (row.tag if isinstance(row.tag, str) else repr(row.tag),)
        with self._value(row) as (value, read):
            return add(cache, key, value, Labels(expire, tags, created=row.stored), read=read)

    def _key(self, row: Row) -> Any:
        if self._as_json:
            return json.loads(zlib.decompress(row.key))
        if row.raw:
            return row.key
        with self._open(DATABASE) as file:
            check(file, self.directory, self._pickles)
        return pickle.loads(row.key)

    @contextmanager
    def _value(self, row: Row) -> Iterator[tuple[Any, bool]]:
        """The value, and whether it is a file that has it."""
        with self._open(row.filename or DATABASE) as file:
            if row.mode == PICKLE:
                check(file, self.directory, self._pickles)
                yield (pickle.load(file) if row.value is None else pickle.loads(row.value)), False
            elif self._as_json:
                yield json.loads(zlib.decompress(file.read() if row.mode == BINARY else row.value)), False
            elif row.mode == BINARY:
                yield file, True
            elif row.mode == TEXT:
                yield file.read().decode(), False
            elif row.mode == RAW:
                yield row.value, False
            else:
                raise ValueError(f"mode {row.mode} is not known")

    def _open(self, name: str) -> BinaryIO:
        """A file of the directory. Raises ValueError for one that is elsewhere."""
        path = os.path.join(self.directory, name)
        top = os.path.realpath(self.directory)
        if os.path.commonpath([top, os.path.realpath(path)]) != top:
            raise ValueError(f"its file {name!r} is outside of the cache")
        return open(path, "rb")


def _short(row: Row) -> str:
    text = repr(row.key) if row.raw else "a pickled key"
    return text if len(text) <= 80 else f"{text[:77]}..."
