"""Values as one string of bytes, for those who want a codec without a store."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ndstash._core import Damaged
from ndstash.codec.buffers import Buffers
from ndstash.codec.registry import Codec, get

if TYPE_CHECKING:
    from typing_extensions import Buffer as BufferLike

    from ndstash._core import MmapMode

ALIGNMENT: Final = 64
_NUMBER: Final = struct.Struct("<Q")


def dumps(value: Any, codec: str | Codec = "pickle") -> bytes:
    """The bytes of a value: how many parts there are, their lengths (8 bytes each), and the parts, aligned to 64 bytes.

    The first part is the data, the others are the buffers. Raises what the codec raises.

    >>> import numpy, ndstash
    >>> ndstash.loads(ndstash.dumps(numpy.arange(3)))
    array([0, 1, 2])
    """
    data, buffers = _codec(codec).dumps(value)
    parts = [_flat(part) for part in (data, *buffers)]
    head = b"".join(map(_NUMBER.pack, [len(parts), *(len(part) for part in parts)]))
    return b"".join(piece for part in (memoryview(head), *parts) for piece in (part, bytes(-len(part) % ALIGNMENT)))


def loads(data: BufferLike, codec: str | Codec = "pickle", *, mmap_mode: MmapMode = None) -> Any:
    """The value again, with arrays of its own; in mode "r" they are read-only and look at `data` itself.

    Pickle runs code that whoever made the bytes chose. Raises Damaged if the bytes are not whole, and what the codec raises.
    """
    first, *rest = _parts(memoryview(data).cast("B"))
    return _codec(codec).loads(first, Buffers.over(rest, mmap_mode))


def _codec(codec: str | Codec) -> Codec:
    return get(codec) if isinstance(codec, str) else codec


def _flat(part: BufferLike) -> memoryview:
    """Its bytes in the order in which they lie."""
    view = memoryview(part)
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes("A"))


def _parts(view: memoryview) -> Iterator[memoryview]:
    if len(view) < _NUMBER.size:
        raise Damaged("too short for an encoded value")
    (count,) = _NUMBER.unpack_from(view)
    start = _NUMBER.size * (count + 1)
    if not 0 < count or start > len(view):
        raise Damaged(f"an encoded value of {count} parts is cut short")
    lengths = [length for (length,) in _NUMBER.iter_unpack(view[_NUMBER.size : start])]
    for length in lengths:
        start += -start % ALIGNMENT
        if start + length > len(view):
            raise Damaged("an encoded value is cut short")
        yield view[start : start + length]
        start += length
