"""What a function is made of: its text, its defaults, what it has captured, and what its names stand for."""

from __future__ import annotations

import builtins
import collections
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

import numpy as np

from ndstash._core import Named
from ndstash._identity.cells import EMPTY, contents
from ndstash._identity.names import entry, followed, imported
from ndstash._identity.text import text_of
from ndstash._identity.uses import Use, uses

if TYPE_CHECKING:
    from ndstash._identity.walk import Walk

Item = tuple[str, object]
WRITTEN = Named("written", None)
WRITABLE = {
    *(type(None), bool, int, float, complex, str, bytes, tuple, frozenset),
    *(list, dict, set, bytearray, collections.deque, collections.Counter, collections.defaultdict, np.ndarray),
}
"""Types of which it is known what writing does."""


def function(walk: Walk, value: FunctionType) -> Iterator[Item]:
    """The items of a function."""
    walk.guard.function(value)
    text = text_of(value.__code__, value.__globals__)
    yield "code", Named(text.kind, text.digest)
    ignored = walk.ignore if value is walk.inside else ()
    for name, default in _defaults(value):
        if name not in ignored:
            yield f"default {name}", walk.value(default, f"the default of {name!r}")
    for use in uses(value.__code__):
        if use.origin == "import":
            yield from followed(walk, imported(walk, use.name, value.__globals__), use)
        elif use.name not in ignored:
            start, use = _start(walk, value, use)
            is_written = use.name in text.written and type(start) in WRITABLE
            yield from [(use.name, WRITTEN)] if is_written else followed(walk, start, use)


def _defaults(value: FunctionType) -> Iterator[Item]:
    code: CodeType = value.__code__
    positional, given = code.co_varnames[: code.co_argcount], value.__defaults__ or ()
    yield from zip(positional[len(positional) - len(given) :], given, strict=True)
    yield from sorted((value.__kwdefaults__ or {}).items())


def _start(walk: Walk, value: FunctionType, use: Use) -> tuple[object, Use]:
    """What a captured variable or a global is, else a builtin, which a global may come to hide."""
    if use.origin == "captured":
        cell = (value.__closure__ or ())[value.__code__.co_freevars.index(use.name)]
        found = contents(cell)
        walk.guard.cell(cell, found)
        return found, use
    if use.name in value.__globals__:
        return entry(walk, value.__globals__, use.name), use
    walk.guard.missing(value.__globals__, use.name)
    if use.name in vars(builtins):
        return builtins, Use("global", "builtins", (use.name, *use.path))
    return EMPTY, use
