"""How values are taken apart so that their memory stays whole beside the pickle, by type."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from ndstash.codec import libraries, rebuild

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL: Final = 4096
"""Memory of fewer bytes stays in the pickle."""

_BY_DEFAULT: Final = methodcaller("__reduce_ex__", 5)
_PICKLING: Final = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")

Reducer = Callable[[Any], Any]


@final
class Reducers(dict[type, Reducer]):
    """The dispatch table of one pickling. Types it has not met are looked up once; after that C needs no Python for them."""

    def __init__(self) -> None:
        super().__init__()
        self.buffers: list[Any] = []

    def __missing__(self, cls: type) -> Reducer:
        reducer = self[cls] = self._choose(cls)
        return reducer

    def _choose(self, cls: type) -> Reducer:
        if issubclass(cls, type):
            raise KeyError(cls)  # Classes are pickled by name, and only where the table has nothing for them.
        if (registered := copyreg.dispatch_table.get(cls)) is not None:
            return registered
        if issubclass(cls, np.ndarray):
            return self._array_reducer(cls)
        return libraries.reducer(cls, self.put) or _BY_DEFAULT

    def put(self, memory: NDArray[Any]) -> rebuild.Where:
        """Memory without gaps goes beside the pickle, or into it if it is small; and where it is then."""
        if memory.nbytes < SMALL:
            return memory.tobytes("A")
        self.buffers.append(memory)
        return len(self.buffers) - 1

    def _array_reducer(self, cls: type) -> Reducer:
        if cls is np.ndarray or cls is np.memmap:
            return self._array
        if issubclass(cls, np.ma.MaskedArray) and _pickled_like(cls, np.ma.MaskedArray):
            return self._masked
        return self._subclass if _pickled_like(cls, np.ndarray) else _BY_DEFAULT

    def _array(self, array: NDArray[Any]) -> Any:
        array = np.asarray(array)
        if array.dtype.hasobject:
            return array.__reduce_ex__(5)  # Never mapped, and so never read-only.
        memory, order = _in_order(array)
        return rebuild.array, (self.put(_readable(memory)), _dtype(array.dtype), array.shape, order)

    def _subclass(self, array: NDArray[Any]) -> Any:
        return _with_attributes(array, np.ndarray.view(array, np.ndarray), rebuild.attributes)

    def _masked(self, array: np.ma.MaskedArray[Any, Any]) -> Any:
        return _with_attributes(array, array.data, rebuild.masked)


def _pickled_like(cls: type, known: type) -> bool:
    """Whether a subclass leaves its pickling to the class that is known: then it may be done better."""
    return all(getattr(cls, name, None) is getattr(known, name, None) for name in _PICKLING)


def _with_attributes(array: NDArray[Any], base: NDArray[Any], setter: Callable[..., None]) -> Any:
    made = rebuild.subclass, (type(array), base)
    state = object.__getstate__(array)
    return made if state is None else (*made, state, None, None, setter)


def _in_order(array: NDArray[Any]) -> tuple[NDArray[Any], rebuild.Order]:
    """An array without gaps that has its bytes, and how these lie: as they do in memory if that has no gaps."""
    if array.flags.c_contiguous:
        return array, "C"
    if array.flags.f_contiguous:
        return array, "F"
    axes = tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
    permuted = array.transpose(axes)
    return (permuted, axes) if permuted.flags.c_contiguous else (np.ascontiguousarray(array), "C")


def _readable(memory: NDArray[Any]) -> NDArray[Any]:
    """The same memory as elements that the buffer protocol has a name for."""
    if memory.dtype.isnative and memory.dtype.kind in "?biufc":
        return memory
    if memory.dtype.isnative and memory.dtype.kind in "mM":
        return memory.view(np.int64)
    flat = memory.reshape(-1, order="A")
    return flat.view(np.uint8) if memory.dtype.itemsize else np.empty(0, np.uint8)


def _dtype(dtype: np.dtype[Any]) -> Any:
    """A dtype as short text if that says all of it."""
    return dtype.str if dtype.kind in "biufcmMSU" and dtype.metadata is None else dtype
