"""Keeps the results of expensive computations on disk."""

import os

from ndstash import errors
from ndstash._cache import Cache
from ndstash._core import FORMAT_VERSION, Key, Rounding, after_fork_in_child
from ndstash._core import VERSION as __version__
from ndstash._empty import Empty
from ndstash._info import EntryInfo
from ndstash._keys import File, decimals, significant
from ndstash._memo import AsyncMemoized, Explanation, Memoized, Ref
from ndstash._query import Entries
from ndstash._stats import Stats
from ndstash.codec import Codec, dumps, loads
from ndstash.errors import Error, NdstashWarning, Unidentifiable

__all__ = [
    "FORMAT_VERSION",
    "AsyncMemoized",
    "Cache",
    "Codec",
    "Empty",
    "Entries",
    "EntryInfo",
    "Error",
    "Explanation",
    "File",
    "Key",
    "Memoized",
    "NdstashWarning",
    "Ref",
    "Rounding",
    "Stats",
    "Unidentifiable",
    "__version__",
    "decimals",
    "dumps",
    "errors",
    "loads",
    "significant",
]

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork_in_child)
