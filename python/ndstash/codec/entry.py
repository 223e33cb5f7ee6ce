"""Values into entries and out of them."""

from __future__ import annotations

from typing import Any, Literal

from ndstash._core import Entry, MmapMode, Writer
from ndstash._travel import register as send_references
from ndstash.codec.buffers import Buffers
from ndstash.codec.pickled import PICKLE
from ndstash.codec.registry import Choice, Codec, executes, get
from ndstash.errors import Untrusted

Pickles = Literal["owned", "always", "never"]
"""Whether encodings that execute code are loaded: where their files are trusted, anyway, or not (nor written)."""


def write(writer: Writer, value: Any, codec: Choice, pickle: Pickles) -> None:
    """Gives the writer its value, and does not put it.

    Raises TypeError or pickle.PicklingError for what cannot be stored in this way.
    """
    if isinstance(codec, str):
        if writer.portable(value):
            return
        if codec == "portable":
            raise TypeError(f"a value of type {_type(value)} has no portable encoding")
        codec = PICKLE
    if pickle == "never" and executes(codec):
        raise TypeError(f'a value of type {_type(value)} needs {codec.name}, which pickle="never" rules out')
    data, buffers = codec.dumps(value)
    writer.payload(codec.name, data, buffers)


def read(entry: Entry, mode: MmapMode, codec: Choice, pickle: Pickles) -> Any:
    """The value of an entry, by the word for its encoding. `codec` is asked first: it need not be registered.

    Raises Damaged, Unsupported, Untrusted, and what loading with a codec raises.
    """
    send_references()  # The arrays may be sent on, by a library that was loaded after this package.
    encoding = entry.encoding
    if encoding == "tree":
        return entry.portable(mode)
    chosen = codec if not isinstance(codec, str) and codec.name == encoding else get(encoding)
    if executes(chosen):
        _check_trust(entry, chosen, pickle)
    return chosen.loads(*Buffers.of_entry(entry, mode))


def _check_trust(entry: Entry, codec: Codec, pickle: Pickles) -> None:
    if pickle == "never":
        raise Untrusted(f'the entry is encoded as {codec.name}, which pickle="never" does not load')
    reason = entry.distrust() if pickle == "owned" else None
    if reason is not None:
        raise Untrusted(f'{reason}: {codec.name} is not loaded from there without pickle="always"')


def _type(value: object) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
