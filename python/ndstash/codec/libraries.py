"""Reducers for libraries that are asked about only if the program has loaded them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ndstash.codec import rebuild

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Put = Callable[[NDArray[Any]], rebuild.Where]

Reducer = Callable[[Any], Any]

WASTE: Final = 4096
"""So many bytes beyond what an Arrow array needs are not worth a copy of it."""


def reducer(cls: type, put: Put) -> Reducer | None:
    """How to take apart instances of the class; None if the library's own way is as good."""
    for name, find in _LIBRARIES.items():
        library = sys.modules.get(name)
        if library is not None and (found := find(library, cls, put)) is not None:
            return found
    return None


def _is(cls: type, library: Any, *names: str) -> bool:
    """Whether it is one of the library's classes of these names, or below one. A library that is half loaded may lack them."""
    known = (getattr(library, name, None) for name in names)
    return any(isinstance(one, type) and issubclass(cls, one) for one in known)


def _arrow(pyarrow: Any, cls: type, put: Put) -> Reducer | None:
    if _is(cls, pyarrow, "Array"):
        return lambda array: _compact(pyarrow, array).__reduce_ex__(5)
    if _is(cls, pyarrow, "Buffer"):
        return lambda buffer: _arrow_buffer(buffer, put)
    return None


def _compact(pyarrow: Any, array: Any) -> Any:
    """The array, or a copy of it where it is a small part of memory that all of would have to be stored."""
    needed = array.nbytes
    if array.get_total_buffer_size() <= needed + needed // 8 + WASTE:
        return array
    try:
        return pyarrow.concat_arrays([array])
    except (NotImplementedError, pyarrow.ArrowException):
        return array


def _arrow_buffer(buffer: Any, put: Put) -> Any:
    if not buffer.is_cpu:
        return buffer.__reduce_ex__(5)
    return rebuild.arrow_buffer, (put(np.frombuffer(buffer, np.uint8)),)


def _polars(polars: Any, cls: type, put: Put) -> Reducer | None:
    if cls is getattr(polars, "DataFrame", None):
        return lambda frame: _frame(polars, frame) or frame.__reduce_ex__(5)
    if cls is getattr(polars, "Series", None):
        return lambda series: _series(polars, series) or series.__reduce_ex__(5)
    return None


def _frame(polars: Any, frame: Any) -> Any:
    table = _table(polars, frame)
    return None if table is None else (rebuild.polars_frame, (table,))


def _series(polars: Any, series: Any) -> Any:
    table = _table(polars, series.to_frame("values"))  # Arrow names a column that has no name.
    return None if table is None else (rebuild.polars_series, (table, series.name))


def _table(polars: Any, frame: Any) -> Any:
    """The frame as an Arrow table; None if it would not come back with the same types, or pyarrow is not there."""
    try:
        table = frame.to_arrow(compat_level=polars.CompatLevel.newest())
        same = polars.from_arrow(table, rechunk=False).schema == frame.schema
    except (Exception, polars.exceptions.PanicException):
        return None  # What the two libraries cannot say to each other is for polars' own pickling.
    return table if same else None


def _torch(torch: Any, cls: type, put: Put) -> Reducer | None:
    storage = getattr(torch, "storage", None)
    if cls is getattr(storage, "TypedStorage", None):
        return _TypedStorages()
    if cls is getattr(torch, "UntypedStorage", None):
        return lambda memory: _storage(torch, memory, put)
    return None


class _TypedStorages:
    """Tensors that share memory each make an object of their own for it: the first of them stands for all."""

    def __init__(self) -> None:
        self._first: dict[int, Any] = {}

    def __call__(self, typed: Any) -> Any:
        storage = typed._untyped_storage
        if storage.device.type != "cpu":
            return typed.__reduce_ex__(5)
        if storage.nbytes():
            storage = self._first.setdefault(storage.data_ptr(), storage)
        return rebuild.torch_typed_storage, (storage, typed.dtype)


def _storage(torch: Any, storage: Any, put: Put) -> Any:
    if storage.device.type != "cpu":
        return storage.__reduce_ex__(5)
    return rebuild.torch_storage, (put(torch.empty(0, dtype=torch.uint8).set_(storage).numpy()),)


_LIBRARIES: Final = {"pyarrow": _arrow, "polars": _polars, "torch": _torch}
