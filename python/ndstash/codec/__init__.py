"""How values become bytes: pickle with large arrays beside it, and codecs of one's own."""

from ndstash.codec.buffers import Buffers
from ndstash.codec.entry import Pickles, read, write
from ndstash.codec.flat import dumps, loads
from ndstash.codec.pickled import PICKLE
from ndstash.codec.registry import Choice, Codec, executes, get, register, resolve

__all__ = [
    "PICKLE",
    "Buffers",
    "Choice",
    "Codec",
    "Pickles",
    "dumps",
    "executes",
    "get",
    "loads",
    "read",
    "register",
    "resolve",
    "write",
]
