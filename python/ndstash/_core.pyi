"""The Rust core: stores, caches, keys, buffers. Private: what people use is in ndstash itself.

Everything here releases the interpreter lock while it hashes, reads, writes or waits. Ctrl-C ends every wait for a lock.
Times are seconds since 1970-01-01 UTC as floats unless they are called `ns`; durations are seconds; infinity is for ever.
A key in text is 64 hex digits. Absence is None or False, never an exception. What cannot be used raises `Invalid`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from types import EllipsisType, TracebackType
from typing import Any, BinaryIO, Final, Literal, Self, final

from typing_extensions import Buffer as BufferLike
from typing_extensions import disjoint_base

FORMAT_VERSION: Final[int]
VERSION: Final[str]

MmapMode = Literal["r", "c"] | None
"""How arrays come back: mapped read-only, mapped copy-on-write, or in memory of their own, checked."""

# --- errors: ndstash.errors has the same under public names ------------------------------------------------------

class Error(Exception):
    """Something did not work. `path` names the file, where there is one. The text has the causes, too."""

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
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> Any: ...

@final
class Content:
    """Content that is known by its BLAKE3 digest (64 hex digits): tag 0e. For key parts only."""

    def __new__(cls, digest: str, path: str | None = None) -> Self: ...
    @property
    def digest(self) -> str: ...
    @property
    def path(self) -> str | None: ...

@final
class Rounding:
    """How floats of a key are rounded (blobs-format.md section 6.4). Deep: also in arrays and containers."""

    @staticmethod
    def decimals(n: int, *, deep: bool = True) -> Rounding: ...
    @staticmethod
    def significant(k: int, *, deep: bool = True) -> Rounding: ...

Describe = Callable[[object], object]
"""Called for every object that has no encoding of its own; returns one that has (`Named`, usually), or raises. What it
raises comes through as it is.

Of their own have one: None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, exactly these types;
`Named`, `Content`; `numpy.ndarray` itself, of ndstash's element types in native byte order, whatever its strides; NumPy's
scalars of these types."""

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
    ) -> Key:
        """The key of a call (blobs-format.md section 6.3). A single argument may have the empty name. Ignored ones are
        shown in `parts` and count for nothing; nothing of them is hashed or described.

        Raises TypeError for what holds itself; `Invalid` for what holds others more than 64 deep (what was described
        counted), for text with lone surrogates, for keys or items that have equal encodings."""

    @staticmethod
    def of_item(namespace: str, item: object, *, describe: Describe) -> Key: ...
    @staticmethod
    def of_name(name: str) -> Key: ...
    @property
    def digest(self) -> str: ...
    @property
    def namespace(self) -> str:
        """Empty for a key that is known by its digest alone."""

    @property
    def function(self) -> str | None: ...
    @property
    def version(self) -> str | None: ...
    @property
    def parts(self) -> dict[str, Any] | None:
        """For people: cut where it is long, ignored ones under "(ignored)", large arrays as dicts of `dtype`, `shape`,
        `digest`. None for a key that is known by its digest alone."""

    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class Calls:
    """The calls of a version of a function, whose results come in a mode: what `Cache.recall` is asked by."""

    def __new__(
        cls,
        namespace: str,
        function: str,
        version: str | None,
        mode: MmapMode,
        rounding: Mapping[str, Rounding] | Rounding | None = None,
    ) -> Self: ...

def canonical(value: object, describe: Describe, rounding: Rounding | None = None) -> bytes:
    """The canonical encoding of blobs-format.md section 6.2. Raises as `Key.of_call`."""

def digest(data: BufferLike) -> str:
    """BLAKE3 of bytes, on all cores."""

def digest_file(path: str | bytes | PathLike[str] | PathLike[bytes]) -> str:
    """BLAKE3 of a file's content, on all cores. Raises `IOFailed`."""

# --- buffers -----------------------------------------------------------------------------------------------------

@final
class Buffer(BufferLike):
    """The bytes of one stored array, flat: numpy.frombuffer and pickle take it as it is. Keeps its memory where it is for
    as long as it lives, whatever becomes of the store."""

    @property
    def nbytes(self) -> int: ...
    @property
    def writable(self) -> bool: ...
    @property
    def mapped(self) -> bool: ...
    @property
    def digest(self) -> str | None:
        """The name of the blob, if this is all of one under a read-only map; else None."""

    @property
    def store(self) -> str | None:
        """The path of the store it was loaded from; None if that is only read, or the memory is the buffer's own."""

    def __len__(self) -> int: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

def known(buffer: Buffer, address: int, nbytes: int) -> str | None:
    """The digest, if these bytes of memory are all of the blob that the buffer maps read-only."""

# --- stores ------------------------------------------------------------------------------------------------------

@final
class Store:
    """A directory of results. May be used from many threads, and the directory from many processes.

    With `memory_map`, blobs are mapped, which rests on a promise: nothing but ndstash writes to the files of the store."""

    @staticmethod
    def open(
        path: str | bytes | PathLike[str] | PathLike[bytes],
        *,
        create: bool = True,
        read_only: bool = False,
        memory_map: bool = True,
        shared: bool = False,
        group: int | None = None,
        lock_timeout: float | None = None,
        inline: tuple[int, int] | None = None,
        durability: Literal["full", "deferred"] | None = None,
    ) -> Store:
        """Opens a store, making it first if it is not there, unless told otherwise. `durability`: caches defer unless it says
        something else; `shared`, `group` and `inline` (bytes
        of an array, and of all arrays of an entry, that lie in the manifest) are for one that is made. Raises `Invalid`
        if there is no store or something else."""

    @property
    def path(self) -> str: ...
    @property
    def read_only(self) -> bool: ...
    @property
    def durability(self) -> Literal["full", "deferred"]:
        """When a put returns, as far as the file system allows."""

    @property
    def boot(self) -> bytes:
        """What tells this boot of this machine, and this mounting of the file system, from others; 16 bytes."""

    def flush(self) -> None:
        """Waits until all that this process has put is on disk. Raises `IOFailed` if the disk failed, `Busy`."""

    def cache(
        self, namespace: str, *, wait: float | None = None, memory: int = 0, memory_trust: float | None = None
    ) -> Cache:
        """`wait`: how long another's computation is waited for, an hour if it is None. `memory`: how many bytes of entries
        that were read are held; `memory_trust`: how long without a look at the disk, a second if it is None."""

    def entry(self, address: str | Key) -> Entry | None:
        """Reads the entry of a name or key and opens its blobs. Raises `Damaged`, `Unsupported`, `IOFailed`."""

    def info(self, address: str | Key) -> Info | None: ...
    def remove(self, address: str | Key) -> bool: ...
    def writer(self, address: str | Key) -> Writer: ...
    def array(self, dtype: str, shape: Sequence[int]) -> Canvas:
        """Memory for an array of zeros that is produced in place. Raises `IOFailed` if the disk has no room for it."""

    def buffer(self, digest: str, nbytes: int, mode: MmapMode, boot: bytes) -> Buffer | None:
        """Opens a blob by its name; None if it is not there. `boot`: that of the store where it was seen; in another, a blob
        that was not on disk then is read and hashed first. Raises `Damaged` if it has another length."""

    def limits(self) -> dict[str, Any]:
        """`bytes`, `entries`, `age` (seconds), each None or a number; `policy`: "lru", "lfu", "oldest" or "cost"."""

    def set_limits(self, **change: Any) -> dict[str, Any]:
        """Changes those that are given, for every process and for good; returns all."""

    def cull(self) -> dict[str, int]:
        """evicted, bytes_before, bytes_after, entries_before, still_over (0 or 1), blobs_removed, bytes_freed."""

    def gc(self) -> dict[str, int]:
        """entries, blobs_kept, bytes_kept, blobs_removed, bytes_freed, manifest_bytes, bytes_shared. Raises `Damaged`, with
        nothing removed, if an entry cannot be read."""

    def usage(self) -> dict[str, int]:
        """The fields of ndstash::Usage."""

    def verify(self, *, repair: bool = False, progress: Callable[[int, int], object] | None = None) -> dict[str, Any]:
        """`entries`, `blobs`, `bytes`; `problems`, `repaired`, `left`: lists of texts. `progress` gets bytes done and bytes
        in all, in this thread; what it raises, and Ctrl-C, comes at once, after a repair has ended."""

    def merge(self, other: Store, *, replace: bool = False) -> dict[str, int]:
        """entries_copied, entries_replaced, entries_kept, entries_same, blobs_copied, bytes_copied, blobs_shared,
        bytes_shared, damaged."""

# --- caches ------------------------------------------------------------------------------------------------------

@final
class Cache:
    """A namespace of a store, with counters. Nothing that is wrong with an entry raises in `look`: it is counted, told to
    `logging` (logger "ndstash", once loudly), and None. A cache that is off finds nothing and counts nothing.

    Conditions of `find`, `evict`, `expire`, as keywords: prefix, function, tag (texts), created_before, created_after,
    used_before, expired_at (times), at_least (bytes), pinned (bool). One that is None is none. The namespace is the
    cache's own."""

    @property
    def store(self) -> Store: ...
    @property
    def namespace(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @enabled.setter
    def enabled(self, value: bool) -> None: ...
    def sub(self, name: str) -> Cache: ...
    def look(self, key: Key, stale: float = 0.0, *, again: bool = False) -> Entry | None:
        """The entry, if its time is not over for `stale` seconds or longer. Counts nothing: see `note_hit`; but damage is
        counted and told, unless this is the second look at what the first one told of (`again`)."""

    def hit(self, key: Key, mode: MmapMode, absent: object, default: object, *, count: bool = True) -> Any:
        """The value of an entry whose time is not over, if it is portable, counted as a hit; `absent` if there is no entry,
        else `default`. Memory is asked first. Raises what is wrong with it, which is not counted."""

    def recall(self, calls: Calls, parts: dict[str, Any], absent: object, default: object) -> Any:
        """As `hit`, of a call by the parts of its key, which is not made in full. `default` as well if these are not few and
        plain."""

    def clear_memory(self) -> None:
        """Lets go of what memory holds: changes were made past this cache."""

    def note_hit(self, entry: Entry) -> None: ...
    def note_miss(self) -> None: ...
    def note_damaged(self, key: Key, reason: str) -> None: ...
    def note_refused(self) -> None: ...
    def note_failure(self, what: Literal["key", "load", "store", "lock"], function: str | None, reason: str) -> None: ...
    def note_computed(self, seconds: float) -> None: ...
    def flight(self, key: Key, wait: float | None = None) -> Flight | None:
        """Takes the right to compute, waiting at most so long (None: the cache's own time); None if this thread has it
        already or the store is read-only. Raises `Busy`."""

    def writer(self, key: Key) -> Writer:
        """Its `put` counts new and shared bytes."""

    def contains(self, key: Key) -> bool: ...
    def info(self, key: Key) -> Info | None: ...
    def forget(self, key: Key, only: Info | None = None) -> bool:
        """Removes an entry; if `only` is given, only if it is still that one."""

    def relabel(
        self,
        key: Key,
        *,
        tags: Sequence[str] | None = None,
        meta: Mapping[str, object] | None = None,
        expires_in: float | EllipsisType | None = ...,
        pinned: bool | None = None,
    ) -> bool:
        """Changes what is given; `expires_in=None` is never."""

    def find(self, **conditions: Any) -> Iterator[Info]:
        """In no particular order. Damaged entries are passed over: `Store.verify` tells of them."""

    def evict(self, **conditions: Any) -> int: ...
    def expire(self, **conditions: Any) -> int: ...
    def explain(self, key: Key, n: int = 3) -> list[dict[str, Any]]:
        """The nearest stored calls: `info`, `differences` (`part`; `here`, `there`: texts, None where there is no such
        part)."""

    def stats(self) -> dict[str, int]:
        """hits, stale, misses, damaged, failures, refused, saved_ns, computed_ns, new_bytes, shared_bytes."""

@final
class Flight:
    """The right to compute the value of a key, until it is released, or dropped."""

    def release(self) -> None:
        """Gives it back. Any thread may, and more than once."""

    def detach(self) -> None:
        """Makes it nobody's own: the thread that took it then waits for the key like any other."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class Writer:
    """Builds one entry. Set the value once by one of `portable`, `payload`, `stream`, `canvas`; then `put`. For one thread
    at a time. Dropping it leaves nothing."""

    def tag(self, tag: str) -> None: ...
    def meta(self, name: str, value: object) -> None:
        """Plain values only: what `portable` takes, without arrays."""

    def expires_in(self, seconds: float | None) -> None: ...
    def created(self, seconds: float) -> None:
        """When the value was made, if that was before it is put; a time still to come counts as now."""

    def pin(self, pinned: bool) -> None: ...
    def compute_time(self, seconds: float) -> None: ...
    def portable(self, value: object) -> bool:
        """False, and nothing is written, if the value is not portable: see `is_portable`."""

    def payload(self, encoding: str, data: BufferLike, buffers: Sequence[BufferLike]) -> None:
        """A byte string and the buffers beside it, in an encoding of the caller's. Element type, shape and order of each
        buffer are taken from what its memoryview says, where ndstash has such arrays; else it is bytes. Buffers that are
        whole blobs of a store (also as numpy arrays over one) are not hashed. Raises `Invalid` for memory with gaps."""

    def stream(self, file: BinaryIO) -> None:
        """A byte string: what the file yields from where it is to its end. It is portable (`bytes`)."""

    def canvas(self, canvas: Canvas) -> None:
        """The array that was produced in place, and is sealed. It is portable."""

    def put(self, *, expect: Literal["any", "absent"] | Info = "any") -> dict[str, int] | None:
        """new_blobs, new_bytes, shared_blobs, shared_bytes; None if what is there is not what is expected. Raises `TooLarge`,
        `IOFailed`, `Busy`; what was there is then still there."""

def is_portable(value: object) -> bool:
    """Whether it is a plain tree: None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, date, time,
    datetime, timedelta, numpy arrays and scalars of ndstash's element types, numpy's datetime64 and timedelta64 scalars,
    exactly these types, in native byte order, zones being None, UTC or offsets without a name, no mutable one met twice, at
    most 60 deep, with no lone surrogates, at most a million values (these scalars and times are two each) and 16 MiB of
    text, scalars and short byte strings. A scalar of C's long long comes back as the int64 that it is."""

@disjoint_base
class Info:
    """What an entry says of itself."""

    @property
    def key(self) -> Key: ...
    @property
    def name(self) -> str | None: ...
    @property
    def created(self) -> float: ...
    @property
    def expires(self) -> float | None: ...
    @property
    def last_used(self) -> float: ...
    @property
    def compute_time(self) -> float | None: ...
    @property
    def pinned(self) -> bool: ...
    @property
    def sequence(self) -> int: ...
    @property
    def encoding(self) -> str: ...
    @property
    def namespace(self) -> str | None: ...
    @property
    def function(self) -> str | None: ...
    @property
    def version(self) -> str | None: ...
    @property
    def parts(self) -> dict[str, Any] | None: ...
    @property
    def host(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def meta(self) -> dict[str, Any]: ...
    @property
    def logical_bytes(self) -> int: ...
    @property
    def manifest_bytes(self) -> int: ...
    @property
    def arrays(self) -> list[dict[str, Any]]:
        """dtype (text), shape, order ("C" or "F"), nbytes, digest, inline."""

    @property
    def description(self) -> str:
        """What the value is in a few words, as in `float64 (1000, 1000)`."""

@final
class Entry(Info):
    """An entry with its blobs open: whatever happens to it, its value can be loaded."""

    @property
    def stale(self) -> bool: ...
    def distrust(self) -> str | None:
        """Why a pickle in it should not be loaded (somebody else owns or may write it); None if it may be."""

    def portable(self, mode: MmapMode) -> Any:
        """The value. Arrays of bfloat16 have the type of the package ml_dtypes. Raises `Damaged`; `Unsupported` if the
        encoding is not `tree`, for bfloat16 without that package, and for keys of other languages that Python cannot
        hash."""

    def payload(self, mode: MmapMode) -> tuple[Buffer, list[Buffer]]:
        """What Writer.payload was given. In mode "r" every buffer is read-only; in mode "c" writable, private memory; in
        None, memory of its own, writable and checked. Raises `Damaged`; `Unsupported` if it is no payload."""

    def stream(self) -> BinaryIO:
        """A reader of a byte string, that needs no memory for it where the store maps. Raises `Unsupported` if the value is
        not one byte string."""

    def writable(self, index: int) -> Buffer:
        """Buffer number `index` of the payload under a private copy-on-write map."""

@final
class Canvas:
    """Writable memory of an array that is produced in place."""

    @property
    def buffer(self) -> Buffer: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def seal(self) -> None:
        """Hashes, and puts on disk. Memory that somebody still looks at stays readable, and writing to it changes nothing in
        the store. Raises `Invalid` if it was sealed or dropped, `IOFailed`."""

    def drop(self) -> None:
        """Lets go of what was not put. Memory that somebody looks at stays."""

def after_fork_in_child() -> None: ...
def drain_log() -> list[tuple[int, str]]:
    """What the core has said since this was last called: level of `logging`, text."""

def run_cli(arguments: Sequence[str]) -> int:
    """The command line program; returns its exit code."""
