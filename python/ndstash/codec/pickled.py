"""Pickle with large memory beside it: the encoding "pickle-5".

The data of a payload is a pickle of protocol 5, less the strings of 64 KiB and more that were cut out of it; then the
positions of these cuts (8 bytes each, ascending); then two counts (4 bytes each): how many buffers the pickle itself asks
for (opcode NEXT_BUFFER), and how many were cut out. Numbers are little-endian. The buffers are those that functions of
`ndstash.codec.rebuild` ask for by number, those of the pickle, those cut out, in this order.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final, final

from ndstash._core import Damaged
from ndstash.codec import rebuild
from ndstash.codec.buffers import Buffers
from ndstash.codec.reducers import SMALL, Reducers
from ndstash.codec.stream import Sink, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer as BufferLike

PROTOCOL: Final = 5


@final
class Pickled:
    """Any value that pickle takes, with its exact types and shared references; its arrays are mapped back.

    Classes and functions are pickled as pickle does: by the name under which they can be imported.
    """

    name: Final = "pickle-5"
    executes: Final = True

    def dumps(self, value: Any, /) -> tuple[bytes, Sequence[BufferLike]]:
        """Raises pickle.PicklingError, which names the part of the value that cannot be pickled."""
        sink = Sink()
        reducers = Reducers()
        foreign: list[BufferLike] = []
        try:
            _pickler(sink, reducers, foreign).dump(value)
        except MemoryError:
            raise
        except Exception as error:
            raise pickle.PicklingError(_complaint(value, error)) from error
        data, cuts = sink.finish(len(foreign))
        return data, [*reducers.buffers, *foreign, *cuts]

    def loads(self, data: BufferLike, buffers: Buffers, /) -> Any:
        """Raises Damaged, pickle.UnpicklingError, and whatever the types of the value raise, as when a module is not there."""
        source = Source(data)
        cuts = len(buffers) - source.cuts
        own = cuts - source.foreign
        if own < 0:
            raise Damaged(f"a pickle needs {source.cuts + source.foreign} buffers or more, and there are {len(buffers)}")
        stream = source.open([buffers[index] for index in range(cuts, len(buffers))])
        return _Unpickler(stream, islice(buffers, own, cuts), buffers).load()


PICKLE: Final = Pickled()


class _Unpickler(pickle.Unpickler):
    """Calls the functions of `rebuild` with the buffers of the value that is being loaded."""

    def __init__(self, stream: BinaryIO, foreign: Iterator[BufferLike], buffers: Buffers) -> None:
        super().__init__(stream, buffers=foreign)
        self._buffers = buffers

    def find_class(self, module: str, name: str, /) -> Any:
        found = super().find_class(module, name)
        return partial(found, self._buffers) if module == rebuild.__name__ else found


def _pickler(sink: Sink | _Nowhere, reducers: Reducers, foreign: list[BufferLike]) -> pickle.Pickler:
    def keep_in(buffer: pickle.PickleBuffer) -> bool:
        memory = buffer.raw()
        if memory.nbytes >= SMALL:
            foreign.append(memoryview(buffer))
        return memory.nbytes < SMALL

    pickler = pickle.Pickler(sink, PROTOCOL, buffer_callback=keep_in)
    pickler.dispatch_table = reducers
    return pickler


class _Nowhere:
    def write(self, chunk: object) -> None:
        pass


def _complaint(value: Any, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the value is nested too deeply to be pickled"
    from ndstash.codec.culprit import find

    path, culprit = find(value, lambda: _pickler(_Nowhere(), Reducers(), []))
    kind = f"{type(culprit).__module__}.{type(culprit).__qualname__}".removeprefix("builtins.")
    return f"cannot pickle {path}, a {kind}: {error}"
