"""An array that is mapped, as a reference to where it is mapped from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ndstash._arrays import address_of, buffer_of
from ndstash._core import Error, Store
from ndstash._travel import pins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reduced = tuple[Callable[..., NDArray[Any]], tuple[Any, ...]]

WORTH: Final = 1 << 20
"""Arrays of fewer bytes go as they are: the entry that keeps a reference valid costs more than copying them."""


def reference(array: NDArray[Any]) -> Reduced | None:
    """How a pickler may reduce the array so that it maps again where it is loaded; None if its bytes should be sent."""
    if array.nbytes < WORTH or array.dtype.hasobject:
        return None
    buffer = buffer_of(array)
    boot = None if buffer is None else pins.hold(buffer)
    if buffer is None or boot is None:
        return None
    offset = address_of(array) - address_of(np.frombuffer(memoryview(buffer), np.uint8))
    where = buffer.store, buffer.digest, buffer.nbytes, boot
    return arrive, (*where, array.dtype, array.shape, array.strides, offset)


def arrive(
    path: str,
    digest: str,
    nbytes: int,
    boot: bytes,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
) -> NDArray[Any]:
    """The array that a reference means, mapped read-only. Raises Error if it is not there any more."""
    buffer = Store.open(path, create=False).buffer(digest, nbytes, "r", boot)
    if buffer is None:
        raise Error(
            f"an array was sent as a reference to blob {digest} of {path}, and the blob was collected before it was opened here:"
            " the process that sent it has ended, or let go of it long ago"
        )
    return np.ndarray(shape, dtype, memoryview(buffer), offset, strides)


def reduced(array: NDArray[Any]) -> Any:
    """How picklers between processes reduce an ndarray: as a reference if it can be one, else as it does itself."""
    return reference(array) or array.__reduce__()
