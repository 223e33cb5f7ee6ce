"""A pickle in pieces: long byte strings and texts are cut out of it, and put back while it is read.

C's pickler hands everything of 64 KiB or more to `write` by itself, unframed, so that finding it costs nothing.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final, final

from ndstash._core import Damaged

if TYPE_CHECKING:
    from typing_extensions import Buffer as BufferLike

CUT: Final = 65536
_FRAME: Final = 0x95
_FRAME_HEAD: Final = 9
_LOOSE: Final = 16
"""More than the opcode and length of a cut piece, which follow the last frame before it."""

_POSITION: Final = struct.Struct("<Q")
_COUNTS: Final = struct.Struct("<II")


@final
class Sink:
    """What a pickler writes to."""

    def __init__(self) -> None:
        self._rest = io.BytesIO()
        self._cuts: list[bytes | bytearray] = []
        self._positions: list[int] = []

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """A view may be of memory that is gone after the call: it is copied."""
        if len(chunk) < CUT or not self._rest.tell() or _is_frame(chunk):
            self._rest.write(chunk)  # The first chunk is never a string: it says that this is a pickle.
        else:
            self._positions.append(self._rest.tell())
            self._cuts.append(bytes(chunk) if isinstance(chunk, memoryview) else chunk)

    def finish(self, foreign: int) -> tuple[bytes, list[bytes | bytearray]]:
        """The data of a payload, and what was cut out of it."""
        self._rest.write(b"".join(map(_POSITION.pack, self._positions)))
        self._rest.write(_COUNTS.pack(foreign, len(self._cuts)))
        return self._rest.getvalue(), self._cuts


def _is_frame(chunk: bytes | bytearray | memoryview) -> bool:
    """Whether it is a part of the pickle and not one long string. To take one for the other does no harm."""
    frame = int.from_bytes(chunk[1:_FRAME_HEAD], "little") + _FRAME_HEAD
    return chunk[0] == _FRAME and frame <= len(chunk) < frame + _LOOSE


@final
class Source:
    """The data of a payload, taken apart: `foreign` and `cuts` are how many of the last buffers are which. Raises Damaged."""

    def __init__(self, data: BufferLike) -> None:
        self._view = memoryview(data)
        end = len(self._view) - _COUNTS.size
        if end < 0:
            raise Damaged("the data of a pickle is too short")
        self.foreign, self.cuts = _COUNTS.unpack_from(self._view, end)
        self._stream = end - self.cuts * _POSITION.size
        if self._stream < 0:
            raise Damaged("the data of a pickle is too short for what was cut out of it")

    def open(self, cuts: Sequence[BufferLike]) -> BinaryIO:
        """The whole pickle, to be read from its beginning."""
        if not cuts:
            return io.BytesIO(self._view[: self._stream])
        return io.BufferedReader(_Pieces(self._pieces(cuts)))

    def _pieces(self, cuts: Sequence[BufferLike]) -> Iterator[memoryview]:
        start = 0
        positions = self._view[self._stream : self._stream + self.cuts * _POSITION.size]
        for (position,), cut in zip(_POSITION.iter_unpack(positions), cuts, strict=True):
            yield self._view[start:position]
            yield memoryview(cut)
            start = position
        yield self._view[start : self._stream]


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[memoryview]) -> None:
        self._left = chain(pieces)
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: BufferLike, /) -> int:
        while not self._piece:
            piece = next(self._left, None)
            if piece is None:
                return 0
            self._piece = piece
        into = memoryview(target)
        count = min(len(into), len(self._piece))
        into[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count
