"""The Rust core: stores, caches, keys, buffers. Private: what people use is in ndstash itself.

Everything here releases the interpreter lock while it hashes, reads, writes or waits. Times are seconds since 1970-01-01
UTC as floats unless they are called `ns`; durations are seconds. A key in text is 64 hex digits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, Self, final

from typing_extensions import Buffer as BufferLike

FORMAT_VERSION: Final[int]
VERSION: Final[str]

MmapMode = Literal["r", "c"] | None
"""How arrays come back: mapped read-only, mapped copy-on-write, or in memory of their own, checked."""

# --- errors: ndstash.errors has the same under public names ------------------------------------------------------

class Error(Exception):
    """Something did not work. `path` names the file, where there is one."""

    path: str | None

class Damaged(Error):
    """Content that is not what it was when it was stored, or bytes that no writer makes."""

class Busy(Error, TimeoutError):
    """A lock was not to be had in time."""

class Unsupported(Error):
    """A format version, feature or operation that this build or file system does not have."""

class TooLarge(Error, ValueError):
    """A value larger than the store's limit."""

class Invalid(Error, ValueError):
    """What was given cannot be used. The text says what was expected."""

class IOFailed(Error, OSError):
    """A system call failed; `errno` and `filename` are set as on any OSError."""

# --- keys --------------------------------------------------------------------------------------------------------

@final
class Named:
    """A value of a type that has a name: tag 0f of the canonical encoding. For key parts only."""

    def __new__(cls, name: str, value: object) -> Self: ...
    name: str
    value: object

@final
class Content:
    """Content that is known by its BLAKE3 digest (64 hex digits): tag 0e. For key parts only."""

    def __new__(cls, digest: str, path: str | None = None) -> Self: ...
    digest: str
    path: str | None

@final
class Rounding:
    @staticmethod
    def decimals(n: int, *, deep: bool = True) -> Rounding: ...
    @staticmethod
    def significant(k: int, *, deep: bool = True) -> Rounding: ...

Describe = Callable[[object], object]
"""Called for every object that has no encoding of its own; returns one that has (Named, usually), or raises TypeError."""

@final
class Key:
    """The key of an entry; with its parts, if it was made here. Equal if the digests are. Pickles as its digest."""

    def __new__(cls, digest: str) -> Self: ...
    @staticmethod
    def of_call(
        namespace: str,
        function: str | None,
        version: str | None,
        args: Mapping[str, object],
        *,
        describe: Describe,
        rounding: Mapping[str, Rounding] | Rounding | None = None,
        ignored: Mapping[str, object] | None = None,
    ) -> Key: ...
    @staticmethod
    def of_item(namespace: str, item: object, *, describe: Describe) -> Key: ...
    @staticmethod
    def of_name(name: str) -> Key: ...
    digest: str
    namespace: str
    function: str | None
    version: str | None
    parts: dict[str, Any] | None
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...

def canonical(value: object, describe: Describe, rounding: Rounding | None = None) -> bytes:
    """The canonical encoding of blobs-format.md section 6.2."""

def digest(data: BufferLike) -> str:
    """BLAKE3 of bytes, on all cores."""

def digest_file(path: str) -> str: ...

# --- buffers -----------------------------------------------------------------------------------------------------

@final
class Buffer(BufferLike):
    """The bytes of one stored array: numpy.frombuffer and pickle take it as it is. Keeps its map alive."""

    nbytes: int
    writable: bool
    mapped: bool
    digest: str | None
    """The name of the blob, if this is all of one under a read-only map; else None."""
    store: str | None
    """The path of the store it was mapped from."""
    def __buffer__(self, flags: int, /) -> memoryview: ...

def known(buffer: Buffer, address: int, nbytes: int) -> str | None:
    """The digest, if these bytes of memory are all of the blob that the buffer maps read-only."""

# --- stores ------------------------------------------------------------------------------------------------------

@final
class Store:
    @staticmethod
    def open(
        path: str,
        *,
        create: bool = True,
        read_only: bool = False,
        memory_map: bool = True,
        shared: bool = False,
        group: int | None = None,
        lock_timeout: float | None = None,
        inline: tuple[int, int] | None = None,
    ) -> Store: ...
    path: str
    read_only: bool
    def cache(self, namespace: str, *, wait: float | None = None) -> Cache: ...
    def entry(self, address: str | Key) -> Entry | None: ...
    def info(self, address: str | Key) -> Info | None: ...
    def remove(self, address: str | Key) -> bool: ...
    def writer(self, address: str | Key) -> Writer: ...
    def array(self, dtype: str, shape: Sequence[int]) -> Canvas: ...
    def buffer(self, digest: str, nbytes: int, mode: MmapMode) -> Buffer | None:
        """Opens a blob by its name; None if it is not there."""
    def limits(self) -> dict[str, Any]:
        """`bytes`, `entries`, `age` (seconds), each None or a number; `policy`: "lru", "lfu", "oldest" or "cost"."""
    def set_limits(self, **change: Any) -> dict[str, Any]: ...
    def cull(self) -> dict[str, int]: ...
    def gc(self) -> dict[str, int]: ...
    def usage(self) -> dict[str, int]:
        """The fields of ndstash::Usage."""
    def verify(self, *, repair: bool = False, progress: Callable[[int, int], object] | None = None) -> dict[str, Any]:
        """`problems`: a list of texts; and the totals. `progress` gets bytes done and bytes in all."""
    def merge(self, other: Store, *, replace: bool = False) -> dict[str, int]: ...

# --- caches ------------------------------------------------------------------------------------------------------

Query = Any
"""Conditions as keywords: prefix, function, tag (texts), created_before, created_after, used_before, expired_at (times),
at_least (bytes), pinned (bool). The namespace is the cache's own."""

@final
class Cache:
    """A namespace of a store, with counters. Nothing that is wrong with an entry raises in `look`: it is counted, told to
    `logging` (logger "ndstash", once loudly), and None."""

    store: Store
    namespace: str
    enabled: bool
    def sub(self, name: str) -> Cache: ...
    def look(self, key: Key, stale: float = 0.0) -> Entry | None:
        """The entry, if its time is not over for `stale` seconds or longer. Counts nothing: see `note_hit`."""
    def note_hit(self, entry: Entry) -> None: ...
    def note_miss(self) -> None: ...
    def note_damaged(self, key: Key, reason: str) -> None: ...
    def note_refused(self) -> None: ...
    def note_failure(self, what: Literal["key", "load", "store", "lock"], function: str | None, reason: str) -> None: ...
    def note_computed(self, seconds: float) -> None: ...
    def flight(self, key: Key, wait: float | None = None) -> Flight | None:
        """Takes the right to compute, waiting at most so long (None: the cache's own time); None if this thread has it
        already or the store is read-only. Raises Busy."""
    def writer(self, key: Key) -> Writer:
        """Its `put` counts new and shared bytes."""
    def contains(self, key: Key) -> bool: ...
    def info(self, key: Key) -> Info | None: ...
    def forget(self, key: Key) -> bool: ...
    def relabel(
        self,
        key: Key,
        *,
        tags: Sequence[str] | None = None,
        meta: Mapping[str, object] | None = None,
        expires_in: float | None = ...,
        pinned: bool | None = None,
    ) -> bool:
        """Changes what is given; `expires_in=None` is never."""
    def find(self, **conditions: Query) -> Iterator[Info]: ...
    def evict(self, **conditions: Query) -> int: ...
    def expire(self, **conditions: Query) -> int: ...
    def explain(self, key: Key, n: int = 3) -> list[dict[str, Any]]:
        """The nearest stored calls: `info`, `differences` (`part`, `here`, `there`: texts)."""
    def stats(self) -> dict[str, int]:
        """hits, stale, misses, damaged, failures, refused, saved_ns, computed_ns, new_bytes, shared_bytes."""

@final
class Flight:
    def release(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class Writer:
    """Builds one entry. Set the value once by one of `portable`, `payload`, `stream`, `canvas`; then `put`."""

    def tag(self, tag: str) -> None: ...
    def meta(self, name: str, value: object) -> None:
        """Plain values only: what `portable` takes, without arrays."""
    def expires_in(self, seconds: float | None) -> None: ...
    def pin(self, pinned: bool) -> None: ...
    def compute_time(self, seconds: float) -> None: ...
    def portable(self, value: object) -> bool:
        """False, and nothing is written, if the value is not portable: see `is_portable`."""
    def payload(self, encoding: str, data: BufferLike, buffers: Sequence[BufferLike]) -> None:
        """A byte string and the buffers beside it, in an encoding of the caller's. Element type, shape and order of each
        buffer are taken from what its memoryview says, where ndstash has such arrays; else it is bytes. Buffers that are
        whole blobs of a store (also as numpy arrays over one) are not hashed."""
    def stream(self, file: BinaryIO) -> None: ...
    def canvas(self, canvas: Canvas) -> None: ...
    def put(self, *, expect: Literal["any", "absent"] | Info = "any") -> dict[str, int] | None:
        """new_blobs, new_bytes, shared_blobs, shared_bytes; None if what is there is not what is expected. Raises."""

def is_portable(value: object) -> bool:
    """Whether it is a plain tree: None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset,
    datetime, date, time, timedelta, numpy scalars and arrays of ndstash's element types, exactly these types, in native
    byte order, no mutable one met twice, at most 64 deep."""

class Info:
    key: Key
    name: str | None
    created: float
    expires: float | None
    last_used: float
    compute_time: float | None
    pinned: bool
    sequence: int
    encoding: str
    namespace: str | None
    function: str | None
    version: str | None
    parts: dict[str, Any] | None
    host: str | None
    user: str | None
    tags: list[str]
    meta: dict[str, Any]
    logical_bytes: int
    manifest_bytes: int
    arrays: list[dict[str, Any]]
    """dtype (text), shape, order ("C" or "F"), nbytes, digest, inline."""
    description: str
    """What the value is in a few words, as in `float64 (1000, 1000)`."""

@final
class Entry(Info):
    """An entry with its blobs open."""

    stale: bool
    def distrust(self) -> str | None:
        """Why a pickle in it should not be loaded (design: somebody else owns or may write it); None if it may be."""
    def portable(self, mode: MmapMode) -> object:
        """The value. Raises Damaged; Unsupported if the encoding is not `tree`."""
    def payload(self, mode: MmapMode) -> tuple[Buffer, list[Buffer]]:
        """What Writer.payload was given. In mode "c" every buffer is writable, private memory; in None, memory of its own."""
    def stream(self) -> BinaryIO:
        """A reader of a byte string (Writer.stream), that needs no memory for it."""
    def writable(self, index: int) -> Buffer:
        """Buffer number `index` of the payload under a private copy-on-write map."""

@final
class Canvas:
    """Writable memory of an array that is produced in place."""

    buffer: Buffer
    dtype: str
    shape: tuple[int, ...]
    def seal(self) -> None:
        """Hashes and publishes. Memory that somebody still looks at stays readable, and writing to it changes nothing in the
        store. Raises if it was sealed or dropped."""
    def drop(self) -> None: ...

def after_fork_in_child() -> None: ...
def drain_log() -> list[tuple[int, str]]: ...
def run_cli(arguments: Sequence[str]) -> int:
    """The command line program; returns its exit code."""
