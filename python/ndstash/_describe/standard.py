"""Types of the standard library, by their value."""

from __future__ import annotations

import collections
import datetime
import io
import re
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ndstash._core import Named
from ndstash._loaded import name_among

if TYPE_CHECKING:
    import array
    import pathlib
    import zoneinfo


def _datetime(value: datetime.datetime) -> object:
    text = value.replace(tzinfo=None, fold=0).isoformat()
    return Named("datetime.datetime", _moment(text, value))


def _time(value: datetime.time) -> object:
    text = value.replace(tzinfo=None, fold=0).isoformat()
    return Named("datetime.time", _moment(text, value))


def _moment(text: str, value: datetime.datetime | datetime.time) -> object:
    if value.tzinfo is None and not value.fold:
        return text
    return (text, value.fold, value.tzinfo)


def _timezone(value: datetime.timezone) -> object:
    return Named("datetime.timezone", (value.utcoffset(None), value.tzname(None)))


def _zone(value: zoneinfo.ZoneInfo) -> object:
    if value.key is None:
        raise TypeError("a zoneinfo.ZoneInfo that was read from a file has no name")
    return Named("zoneinfo.ZoneInfo", value.key)


def _path(value: pathlib.Path) -> object:
    return Named("pathlib.Path", value.as_posix())


def _pure_path(value: pathlib.PurePath) -> object:
    return Named(f"pathlib.{type(value).__name__}", value.as_posix())


def _machine_array(value: array.array[int] | array.array[float] | array.array[str]) -> object:
    elements = value.tounicode() if value.typecode == "u" else np.array(value)
    return Named("array.array", (value.typecode, elements))


def _memory(value: memoryview) -> object:
    return Named("memoryview", (value.format, value.shape, value.tobytes()))


def _stream(value: io.BytesIO | io.StringIO) -> object:
    return Named(f"io.{type(value).__name__}", (value.getvalue(), value.tell()))


def _bare(value: object) -> object:
    raise TypeError("a bare object() is only itself: no other process can know it. An enum member has a name")


Rule = Callable[..., object]


def later(kind: type) -> Rule | None:
    """The rule for a type of a module that is slow to load; None if it has none."""
    return LATER.get(name_among(LATER, kind))


STANDARD: dict[type, Rule] = {
    object: _bare,
    types.EllipsisType: lambda value: Named("Ellipsis", None),
    types.NotImplementedType: lambda value: Named("NotImplemented", None),
    range: lambda value: Named("range", (value.start, value.stop, value.step)),
    slice: lambda value: Named("slice", (value.start, value.stop, value.step)),
    bytearray: lambda value: Named("bytearray", bytes(value)),
    memoryview: _memory,
    type({}.keys()): lambda value: Named("dict_keys", set(value)),
    type({}.items()): lambda value: Named("dict_items", dict(value)),
    type({}.values()): lambda value: Named("dict_values", list(value)),
    types.MappingProxyType: lambda value: Named("types.MappingProxyType", dict(value)),
    collections.OrderedDict: lambda value: Named("collections.OrderedDict", list(value.items())),
    datetime.date: lambda value: Named("datetime.date", value.isoformat()),
    datetime.datetime: _datetime,
    datetime.time: _time,
    datetime.timedelta: lambda value: Named("datetime.timedelta", (value.days, value.seconds, value.microseconds)),
    datetime.timezone: _timezone,
    typing.ForwardRef: lambda value: Named("typing.ForwardRef", value.__forward_arg__),
    re.Pattern: lambda value: Named("re.Pattern", (value.pattern, value.flags)),
    io.BytesIO: _stream,
    io.StringIO: _stream,
}

LATER: dict[str, Rule] = {
    "array.array": _machine_array,
    "decimal.Decimal": lambda value: Named("decimal.Decimal", str(value)),
    "fractions.Fraction": lambda value: Named("fractions.Fraction", (value.numerator, value.denominator)),
    "pathlib.PosixPath": _path,
    "pathlib.PurePosixPath": _pure_path,
    "pathlib.PureWindowsPath": _pure_path,
    "pathlib.WindowsPath": _path,
    "uuid.UUID": lambda value: Named("uuid.UUID", value.hex),
    "zoneinfo.ZoneInfo": _zone,
}
