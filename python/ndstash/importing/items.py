"""Where the items of another cache go, and how they get there."""

from __future__ import annotations

import os
from typing import Any, Final

from ndstash import _items as stored
from ndstash._cache import Cache
from ndstash._handle import Labels
from ndstash.importing.report import Report

SUFFIX: Final = ".ndstash"


def beside(path: str, into: str | None) -> str:
    """The directory of the new cache: the one that was asked for, or one beside the other cache."""
    return os.path.normpath(path) + SUFFIX if into is None else into


def report_on(target: str) -> Report:
    """An empty report of what goes into a directory."""
    return Report(os.path.abspath(os.path.expanduser(target)))


def add(cache: Cache, key: Any, value: Any, labels: Labels, *, read: bool = False) -> bool:
    """Adds an item as `Cache.add` does, with the time at which it was made; False if the cache has one of that key."""
    return stored.add(cache._handle, key, cache._filler(value, read), labels)


def bytes_of(path: str) -> int:
    """What a file takes, or all files in a directory."""
    if not os.path.isdir(path):
        return os.lstat(path).st_size
    return sum(os.lstat(os.path.join(inner, name)).st_size for inner, _, names in os.walk(path) for name in names)
