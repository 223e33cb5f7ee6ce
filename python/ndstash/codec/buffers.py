"""The buffers of a value that is being loaded, and how its arrays are to come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from typing_extensions import Buffer as BufferLike

    from ndstash._core import Entry, MmapMode


@final
class Buffers:
    """What `Codec.loads` gets: the buffers that `Codec.dumps` gave, in that order, ready to be looked at.

    In mode "r" they are read-only, in "c" and None writable and nobody else's. What a codec makes of bytes that it kept
    elsewhere should follow `mode` as well, so that all arrays of a value are alike.
    """

    __slots__ = ("_buffers", "_private", "mode")

    def __init__(
        self,
        buffers: Sequence[BufferLike],
        mode: MmapMode,
        private: Callable[[int], BufferLike] | None = None,
    ) -> None:
        self._buffers = buffers
        self._private = private
        self.mode: MmapMode = mode

    @staticmethod
    def of_entry(entry: Entry, mode: MmapMode) -> tuple[BufferLike, Buffers]:
        """What a payload holds: its data, and its buffers. Raises Damaged."""
        data, buffers = entry.payload(mode)
        return data, Buffers(buffers, mode, entry.writable if mode == "r" else None)

    @staticmethod
    def over(parts: Sequence[BufferLike], mode: MmapMode) -> Buffers:
        """Of memory that is not a store's: looked at in mode "r", else copied."""
        if mode == "r":
            return Buffers([memoryview(part).toreadonly() for part in parts], mode, lambda index: bytearray(parts[index]))
        return Buffers([bytearray(part) for part in parts], mode)

    def __len__(self) -> int:
        return len(self._buffers)

    def __getitem__(self, index: int) -> BufferLike:
        return self._buffers[index]

    def __iter__(self) -> Iterator[BufferLike]:
        return iter(self._buffers)

    def private(self, index: int) -> BufferLike:
        """Writable memory of that content, in every mode, for what would crash on memory that it cannot write to.

        Writes to it reach neither the store nor anybody else. Call it once for each buffer.
        """
        return self._buffers[index] if self._private is None else self._private(index)

    def keep(self, data: bytes) -> BufferLike:
        """Bytes from beside the buffers, as memory of the kind that the mode asks for."""
        return data if self.mode == "r" else bytearray(data)
