"""Arrays over the memory of a store: made, and recognised again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ndstash._core import Buffer, known

if TYPE_CHECKING:
    from numpy.typing import NDArray


def over(buffer: Buffer, dtype: str | np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array in C order over all of a buffer, writable if the buffer is. It keeps the buffer alive."""
    flat: NDArray[Any] = np.frombuffer(memoryview(buffer), np.uint8)
    return flat.view(dtype).reshape(shape)


def buffer_of(array: object) -> Buffer | None:
    """The buffer of a store that an array looks at, through whatever views; None if its memory is from elsewhere."""
    owner: Any = array
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    return owner if isinstance(owner, Buffer) else None


def address_of(array: NDArray[Any]) -> int:
    """Where its first element lies."""
    address: int = array.__array_interface__["data"][0]
    return address


def digest_of(array: NDArray[Any]) -> str | None:
    """The name of the blob whose bytes are those of the array as it lies in memory; None if that is not known for free.

    Known is an array that is all of a blob under a read-only map, without gaps, in C or Fortran order. What is under a
    copy-on-write map, or was only flagged as not writeable, may have been written to: it has no name.
    """
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        return None
    buffer = buffer_of(array)
    return None if buffer is None else known(buffer, address_of(array), array.nbytes)
