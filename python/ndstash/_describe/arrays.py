"""NumPy arrays that ndstash has no element type for, and subclasses of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ndstash._core import Named
from ndstash._describe.names import type_name
from ndstash._describe.state import attributes

Array = np.ndarray[Any, np.dtype[Any]]
EXTENDED_MANTISSA, EXTENDED_BYTES = 63, 10
"""Of an 80-bit float only these bytes count; the others are padding."""


def scalar(value: np.generic) -> object:
    """A single number is an array of no dimensions."""
    return array(np.asarray(value))


def array(value: Array) -> object:
    """An array; a memory map is one like any other."""
    if type(value) in (np.ndarray, np.memmap):
        return _plain(value.view(np.ndarray))
    if isinstance(value, np.ma.MaskedArray):
        content: object = (value.data.view(np.ndarray), np.ma.getmaskarray(value), value.fill_value, value.hardmask)
        return Named(type_name(type(value)), content)
    content, more = value.view(np.ndarray), attributes(value)
    return Named(type_name(type(value)), (content, more) if more else content)


def _plain(value: Array) -> object:
    dtype = value.dtype
    if not dtype.isnative:
        return value.astype(dtype.newbyteorder("="))
    if dtype.type.__module__.partition(".")[0] != "numpy":
        return _named(type_name(dtype.type), _raw(value))
    if dtype.char in "gG":
        return _extended(value)
    rule = _KINDS.get(dtype.kind)
    return rule(value) if rule else value


def _named(dtype: str, content: object) -> Named:
    return Named(f"numpy.ndarray[{dtype}]", content)


def _moments(value: Array) -> object:
    return _named(value.dtype.name, value.view(np.int64))


def _texts(value: Array) -> object:
    return _named(value.dtype.str.lstrip("<>=|"), _split(value, np.dtype(np.uint32)))


def _bytes(value: Array) -> object:
    if value.dtype.fields is not None:
        return _records(value)
    return _named(value.dtype.str.lstrip("<>=|"), _raw(value))


def _raw(value: Array) -> Array:
    return _split(value, np.dtype(np.uint8))


def _split(value: Array, unit: np.dtype[Any]) -> Array:
    """The elements' own parts along one more dimension. Elements may have no size."""
    parts = value.dtype.itemsize // unit.itemsize
    if parts == 0:
        return np.empty((*value.shape, 0), unit)
    return np.frombuffer(value.tobytes(), unit).reshape(*value.shape, parts)


def _extended(value: Array) -> object:
    if value.dtype.kind == "c":
        return _named("clongdouble", (value.real, value.imag))
    mantissa = np.finfo(value.dtype).nmant
    raw = _raw(value)
    return _named(f"longdouble:{mantissa}", raw[..., :EXTENDED_BYTES] if mantissa == EXTENDED_MANTISSA else raw)


def _records(value: Array) -> object:
    """By field, so that padding does not count, though its size does."""
    fields: Mapping[str, Any] = value.dtype.fields or {}
    columns = [(name, offset, value[name]) for name, (_, offset, *_) in fields.items()]
    return _named("fields", (value.shape, value.dtype.itemsize, columns))


def _objects(value: Array) -> object:
    return _named("object", (value.shape, value.ravel().tolist()))


def _strings(value: Array) -> object:
    return _named(str(value.dtype), (value.shape, value.ravel().tolist()))


_KINDS: dict[str, Callable[[Array], object]] = {
    "M": _moments,
    "m": _moments,
    "U": _texts,
    "S": _bytes,
    "V": _bytes,
    "O": _objects,
    "T": _strings,
}
