"""Keeps the results of expensive computations on disk."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# First, and not from deep within: CPython's stack of frames grows by pieces, and what goes on at the edge of one makes and
# frees the next with each call. NumPy did so 500 times when a module that several others lie above imported it.
import numpy as _numpy

from ndstash import errors
from ndstash._cache import Cache
from ndstash._core import FORMAT_VERSION, Key, Rounding, after_fork_in_child
from ndstash._core import VERSION as __version__
from ndstash._empty import Empty
from ndstash._info import EntryInfo
from ndstash._keys import File, decimals, significant
from ndstash._memo import AsyncMemoized, Memoized, Ref
from ndstash._query import Entries
from ndstash.codec import Codec, dumps, loads
from ndstash.errors import Error, NdstashWarning, Unidentifiable

if TYPE_CHECKING:
    from ndstash._memo.explain import Explanation
    from ndstash._stats import Stats

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

_LATER = {"Explanation": "ndstash._memo.explain", "Stats": "ndstash._stats"}
"""What few programs name, and where it is: loaded when they do."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork_in_child)
