"""What stored pickles call to make a value again.

The names and arguments of these functions are part of the format "pickle-5": entries carry them. Change what they do, never
what they are called with. In a pickle they are called without the first argument: the loader supplies the buffers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ndstash.codec.buffers import Buffers

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer as BufferLike

Where = int | bytes
"""Where memory is: the number of a buffer, or right here."""

Order = str | tuple[int, ...]
"""How an array lies in memory: "C", "F", or its axes from the one that varies slowest."""


def _memory(buffers: Buffers, where: Where) -> BufferLike:
    return buffers[where] if isinstance(where, int) else buffers.keep(where)


def _private(buffers: Buffers, where: Where) -> BufferLike:
    return buffers.private(where) if isinstance(where, int) else bytearray(where)


def array(buffers: Buffers, where: Where, dtype: Any, shape: tuple[int, ...], order: Order) -> NDArray[Any]:
    """An ndarray over its buffer."""
    kind = np.dtype(dtype)
    if kind.itemsize == 0:
        return np.empty(shape, kind)
    flat: NDArray[Any] = np.frombuffer(memoryview(_memory(buffers, where)), kind)
    if isinstance(order, str):
        return flat.reshape(shape, order="F" if order == "F" else "C")
    return flat.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))


def subclass(buffers: Buffers, cls: type[NDArray[Any]], base: NDArray[Any]) -> NDArray[Any]:
    """The array as one of a subclass, without the subclass's own attributes."""
    return base.view(cls)


def attributes(buffers: Buffers, instance: object, state: Any) -> None:
    """Gives an object the attributes that `object.__getstate__` told."""
    fields, slots = state if isinstance(state, tuple) else (state, None)
    if fields:
        vars(instance).update(fields)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)


def masked(buffers: Buffers, instance: Any, state: Any) -> None:
    """Gives a masked array its attributes. numpy writes to the fill value in place: it is never read-only."""
    attributes(buffers, instance, state)
    fill = vars(instance).get("_fill_value")
    if isinstance(fill, np.ndarray):
        instance._fill_value = fill.copy()


def arrow_buffer(buffers: Buffers, where: Where) -> Any:
    """A pyarrow.Buffer. Arrow's memory does not change, so it may be what others look at, in every mode."""
    pyarrow = import_module("pyarrow")
    return pyarrow.py_buffer(buffers[where] if isinstance(where, int) else where)


def polars_frame(buffers: Buffers, table: Any) -> Any:
    """A polars.DataFrame from its Arrow table."""
    polars = import_module("polars")
    return polars.from_arrow(table, rechunk=False)


def polars_series(buffers: Buffers, table: Any, name: str) -> Any:
    """A polars.Series from an Arrow table of one column."""
    polars = import_module("polars")
    return polars.from_arrow(table, rechunk=False).to_series().rename(name)


def torch_storage(buffers: Buffers, where: Where) -> Any:
    """A torch.UntypedStorage: always over private memory, because a write to read-only memory kills the process."""
    torch = import_module("torch")
    memory = _private(buffers, where)
    if not memoryview(memory).nbytes:
        return torch.UntypedStorage(0)
    return torch.frombuffer(memory, dtype=torch.uint8).untyped_storage()


def torch_typed_storage(buffers: Buffers, storage: Any, dtype: Any) -> Any:
    """A torch TypedStorage over an untyped one."""
    torch = import_module("torch")
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)
