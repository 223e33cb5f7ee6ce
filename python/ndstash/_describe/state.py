"""The state of an instance: its attributes and slots, in one map."""

from __future__ import annotations

import functools


def attributes(value: object) -> dict[str, object]:
    """Attributes and slots as they are, whatever the type says to pickle."""
    state = object.__getstate__(value)
    return own(merged(state), type(value)) if state else {}


def merged(state: object) -> dict[str, object]:
    """The two maps of `object.__getstate__`, attributes and slots, as one."""
    if isinstance(state, tuple):
        return {**(state[0] or {}), **state[1]}
    assert isinstance(state, dict), "object.__getstate__ gives a map or a pair of maps"
    return state


def own(state: dict[str, object], kind: type) -> dict[str, object]:
    """Without what is kept from cached properties: it follows from the rest, and is there or not by chance."""
    return {name: one for name, one in state.items() if not _is_cached(kind, name)}


def _is_cached(kind: type, name: object) -> bool:
    return isinstance(name, str) and isinstance(getattr(kind, name, None), functools.cached_property)
