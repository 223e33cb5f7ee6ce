"""Types that say themselves what they are made of: enum members, named tuples, dataclasses, sets."""

from __future__ import annotations

import enum
from typing import Any

from ndstash._core import Named
from ndstash._describe.names import type_name
from ndstash._describe.state import attributes


def member(value: enum.Enum) -> object:
    """The name of a member is what it is; its value may change with the code."""
    return Named(type_name(type(value)), (value.name, value.value))


def named_tuple(value: Any) -> object:
    return _with_more(value, dict(zip(value._fields, tuple(value), strict=True)), attributes(value))


def record(value: Any) -> object:
    """A dataclass, by its fields and whatever else was put on the instance."""
    from dataclasses import fields as fields_of  # It was loaded by whoever made the class.

    fields = {one.name: getattr(value, one.name) for one in fields_of(value) if hasattr(value, one.name)}
    more = {name: content for name, content in attributes(value).items() if name not in fields}
    return _with_more(value, fields, more)


def set_(value: Any) -> object:
    """A subclass of a set: pickle would list the items in an order that differs between processes."""
    base = frozenset if isinstance(value, frozenset) else set
    return _with_more(value, base(value), attributes(value))


def _with_more(value: object, content: object, more: dict[str, object]) -> object:
    return Named(type_name(type(value)), (content, more) if more else content)
