"""Which part of a value cannot be pickled: looked for only once pickling has failed."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

DEPTH: Final = 16
LONGEST: Final = 80


def find(value: Any, pickler: Callable[[], pickle.Pickler]) -> tuple[str, Any]:
    """The innermost part that fails by itself, and how one gets to it from the value."""
    path = "the value"
    for _ in range(DEPTH):
        inner = _first_failing(value, pickler())
        if inner is None:
            break
        step, value = inner
        path += step
    return path, value


def _first_failing(value: Any, pickler: pickle.Pickler) -> tuple[str, Any] | None:
    for step, part in _parts(value):
        try:
            pickler.dump(part)
        except Exception:  # Any reason will do: what is asked is whether it is this part.
            return step, part
    return None


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) in (list, tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif type(value) in (set, frozenset):
        yield from ((" (an item)", item) for item in value)
    elif type(value) is dict:
        yield from ((" (a key)", key) for key in value)
        yield from ((f"[{_short(key)}]", item) for key, item in value.items())
    elif not isinstance(value, ModuleType) and _is_its_attributes(type(value)):
        yield from ((f".{name}", item) for name, item in getattr(value, "__dict__", {}).items())


def _is_its_attributes(cls: type) -> bool:
    """Whether an object is pickled as what its attributes are, and nothing else."""
    names = ("__reduce__", "__reduce_ex__", "__getstate__")
    return cls not in copyreg.dispatch_table and all(getattr(cls, name) is getattr(object, name) for name in names)


def _short(key: object) -> str:
    text = repr(key)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
