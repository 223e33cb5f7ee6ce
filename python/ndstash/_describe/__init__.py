"""What stands for values that have no canonical encoding of their own: plain structures, and `Named` ones.

`describe` is called by the encoder for one object at a time, and again for what it finds inside the answer. So no rule
walks deeper than its own object, large arrays are handed on as they are, and the encoder sees cycles.

The rules, first that fits:

1. `__ndstash_key__()` of the type: whatever it returns.
2. Standard types by their value: dates and times, decimals, fractions, paths, ranges, patterns, views, buffers.
3. Arrays by dtype, shape and elements in C order; padding and byte order do not count. Frames, series, Arrow tables,
   polars columns, labelled arrays, sparse matrices and tensors by what is in them; blocks, chunks, slices, offsets, and
   bytes under a null do not count.
4. Enum members by name and value, named tuples and dataclasses by field.
5. Everything else as pickle would take it apart (`__reduce_ex__(4)`), without `functools.cached_property` values.

The qualified name of the type always counts; shared references never do. Sets and dicts have no order; an OrderedDict
has. What is used up by reading (generators, files), is only itself (a bare `object()`) or cannot be pickled (locks,
connections) raises TypeError.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from importlib import import_module

import numpy as np

from ndstash._core import Named
from ndstash._describe import arrays, records
from ndstash._describe.names import kind_of, type_name
from ndstash._describe.reduced import reduced
from ndstash._describe.standard import STANDARD, later

__all__ = ["describe", "type_name"]

Rule = Callable[..., object]
RULES_KEPT = 4096
_known: dict[int, tuple[type, Rule]] = {}
"""By the id of a type, as types may define an equality of their own."""

LIBRARIES = {
    "pandas": "frames",
    "polars": "polars",
    "pyarrow": "arrow",
    "scipy": "sparse",
    "torch": "tensors",
    "xarray": "labelled",
}
"""The modules here that know the types of a library. They are loaded when one of those turns up."""


def describe(value: object) -> object:
    """What stands for a value, one level deep. Raises TypeError where nothing can."""
    kind = type(value)
    known = _known.get(id(kind))
    return known[1](value) if known else _learn(kind)(value)


def _learn(kind: type) -> Rule:
    """Finds the rule for a type and keeps it with the type, whose id is its own that long."""
    if len(_known) >= RULES_KEPT:
        _known.clear()
    rule = _rule(kind)
    _known[id(kind)] = (kind, rule)
    return rule


def _rule(kind: type) -> Rule:
    if hasattr(kind, "__ndstash_key__"):
        return _by_own_word
    if kind in STANDARD:
        return STANDARD[kind]
    return later(kind) or _of_library(kind) or _by_kind(kind)


def _of_library(kind: type) -> Rule | None:
    name = LIBRARIES.get(kind.__module__.partition(".")[0])
    rule: Rule | None = import_module(f"{__name__}.{name}").rule(kind) if name else None
    return rule


def _by_own_word(value: object) -> object:
    return Named(type_name(type(value)), value.__ndstash_key__())  # type: ignore[attr-defined]  # the rule asked for it


def _by_kind(kind: type) -> Rule:
    for base, rule in _BASES:
        if issubclass(kind, base):
            return rule
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return records.named_tuple
    if hasattr(kind, "__dataclass_fields__"):
        return records.record
    return _refused if hasattr(kind, "__next__") else reduced


def _refused(value: object) -> object:
    raise TypeError(f"a {kind_of(value)} is used up by reading it: give what it yields, as a list")


_BASES: tuple[tuple[type, Rule], ...] = (
    (enum.Enum, records.member),
    (np.ndarray, arrays.array),
    (np.generic, arrays.scalar),
    (set, records.set_),
    (frozenset, records.set_),
)
