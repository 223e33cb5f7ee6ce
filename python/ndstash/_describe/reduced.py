"""Objects as pickle takes them apart: how to make them, and their state."""

from __future__ import annotations

import collections
import copyreg
from typing import Any

from ndstash._core import Named
from ndstash._describe.names import global_name, kind_of, module_name, type_name
from ndstash._describe.state import merged, own

_newobj: Any = copyreg.__newobj__  # type: ignore[attr-defined]  # not in the stubs
PROTOCOL = 4
PARTS = 6
"""Maker, its arguments, state, items, pairs, and who sets the state."""


def reduced(value: object) -> object:
    """What stands for an object: its state alone if that is all there is, else the parts of its `__reduce_ex__`."""
    kind = type(value)
    parts = _reduce(value, kind)
    if isinstance(parts, str):
        return Named("global", f"{module_name(getattr(value, '__module__', None) or kind.__module__)}.{parts}")
    make, args, state, items, pairs, setter = _padded(parts)
    args, state = _arguments(make, args, kind), _state(make, state, kind)
    if not (args or items or pairs or setter):
        return Named(type_name(kind), state)
    content = [args, state, items and list(items), _pairs(pairs, kind), setter and global_name(setter)]
    return Named(type_name(kind), Named("reduced", content))


def _reduce(value: Any, kind: type) -> Any:
    """Exceptions as Python itself does it: libraries such as tblib register another way, with tracebacks, once loaded."""
    try:
        reduce = None if issubclass(kind, BaseException) else copyreg.dispatch_table.get(kind)
        return reduce(value) if reduce else value.__reduce_ex__(PROTOCOL)
    except Exception as error:
        raise TypeError(f"a {kind_of(value)} cannot be taken apart: {error}") from error


def _padded(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return parts + (None,) * (PARTS - len(parts))


def _arguments(make: Any, args: Any, kind: type) -> list[object]:
    """Arguments of the maker, led by its name unless it is the type itself."""
    if make is _newobj and args and args[0] is kind:
        return list(args[1:])
    named = [] if make is kind else [Named("maker", global_name(make))]
    return [*named, *(Named("type", type_name(one)) if isinstance(one, type) else one for one in args)]


def _state(make: Any, state: Any, kind: type) -> object:
    """Attributes and slots in one map, if the type leaves it to `object` to say what they are."""
    getstate: Any = kind.__getstate__
    usual = make is _newobj and getstate is object.__getstate__
    if usual and isinstance(state, tuple):
        state = merged(state)
    return own(state, kind) if isinstance(state, dict) else state


def _pairs(pairs: Any, kind: type) -> object:
    if pairs is None:
        return None
    return list(pairs) if issubclass(kind, collections.OrderedDict) else dict(pairs)
