"""Arrays that are produced in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ndstash._arrays import over
from ndstash._core import Canvas, Writer
from ndstash._handle import Handle

if TYPE_CHECKING:
    import numpy.typing as npt


class Empty:
    """An array of a cache that is still written: what `Cache.empty` returns.

    It lies in a file whose space is reserved, so it may be larger than memory. `array` is that memory; indexing this object
    indexes it. `seal` stores it without a copy; nobody sees it before. At the end of a `with` statement it is sealed, or
    dropped if there was an error.

    >>> import ndstash
    >>> cache = ndstash.Cache("results")
    >>> with cache.empty("squares", (4, 2), "float32") as squares:
    ...     for row in range(4):
    ...         squares[row] = row**2
    >>> int(cache["squares"].sum())
    28
    """

    def __init__(
        self,
        handle: Handle,
        shape: int | Sequence[int],
        dtype: npt.DTypeLike,
        publish: Callable[[Callable[[Writer], None]], Any],
    ) -> None:
        extents = (shape,) if isinstance(shape, int) else tuple(shape)
        kind = np.dtype(dtype)
        self._publish = publish
        self._canvas: Canvas = handle.store.array(kind.name, extents)
        self.array: npt.NDArray[Any] = over(self._canvas.buffer, kind, extents)

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.array, dtype, copy=copy)

    def seal(self) -> npt.NDArray[Any]:
        """Stores the array. Returns it as the cache will hand it out; views of `array` stay readable, and what is written
        to them changes nothing. Raises what keeps it from being stored, and `Invalid` if that was done already."""
        self._canvas.seal()
        stored: npt.NDArray[Any] = self._publish(lambda writer: writer.canvas(self._canvas))
        self.array = stored
        return stored

    def drop(self) -> None:
        """Gives it up."""
        self._canvas.drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.seal()
        else:
            self.drop()
