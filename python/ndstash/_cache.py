"""The cache: a mapping on disk, and what makes functions remember."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, MutableMapping, Sequence
from datetime import datetime
from time import time
from typing import TYPE_CHECKING, Any, BinaryIO, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from ndstash import _items as stored
from ndstash import _maintenance as maintenance
from ndstash import _show
from ndstash._core import MmapMode
from ndstash._empty import Empty
from ndstash._handle import INHERIT, Durability, Handle, Inherit, Labels, Settings, tuple_of
from ndstash._info import EntryInfo
from ndstash._memo import AsyncMemoized, Memoized, MemoizeOptions, Options, memoize
from ndstash._query import Conditions, Entries
from ndstash._switch import Switch
from ndstash._times import Seconds, seconds, timestamp
from ndstash.codec import Codec, Pickles

if TYPE_CHECKING:
    import numpy.typing as npt

    from ndstash._stats import Stats

P = ParamSpec("P")
R = TypeVar("R")

Tags = str | Iterable[str]


class Decorator(Protocol):
    """What `Cache.memoize` returns where it is given options alone."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncMemoized[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Memoized[P, R]: ...


class Cache(MutableMapping[Any, Any]):
    """Results on disk: a mapping, and functions that remember what they computed.

    >>> import ndstash, numpy as np
    >>> cache = ndstash.Cache("results")
    >>> cache["ones"] = np.ones((2, 3))
    >>> cache["ones"]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    >>> "twos" in cache
    False

    Any number of threads and processes may use a directory at the same time. Equal arrays take the space of one. Keys are
    whatever has a canonical form: numbers, texts, tuples, arrays, data classes; 1, 1.0 and True are three. A damaged value
    is not there: it is counted, and told to `logging` (logger "ndstash"). Limits are the directory's, not the object's.

    A cache that is pickled opens the same directory on the other side.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        namespace: str = "",
        size_limit: int | None = None,
        policy: str | None = None,
        mmap_mode: MmapMode = "r",
        codec: str | Codec = "auto",
        pickle: Pickles = "owned",
        expire: Seconds | None = None,
        tag: Tags | None = None,
        read_only: bool = False,
        durability: Durability = "deferred",
        lock_timeout: Seconds | None = None,
        wait: Seconds | None = None,
        memory: int = 0,
        memory_trust: Seconds | None = None,
        verbose: int = 0,
        progress: bool = True,
    ) -> None:
        """Opens a directory, and makes it if need be.

        directory: where; "~" is the home directory.
        namespace: keys of different namespaces never meet; "a/b" is in "a". See `sub`.
        size_limit, policy: set the limits of the directory, in bytes, and what goes first ("lru", "lfu", "oldest", "cost"),
            for everybody who uses it; None leaves them as they are.
        mmap_mode: how arrays come back: "r" mapped and read-only, at once, whatever their size; "c" mapped and writable, what
            is written stays in this process; None in memory of their own, checked against what was stored.
        codec: "auto" stores plain values (numbers, texts, times, containers, arrays) so that every program can read them, and the
            rest by pickle; "portable" refuses the rest; "pickle" uses only that; or a `Codec`.
        pickle: loading a pickle runs code. "owned": loads those that nobody else can have written; "always"; "never".
        expire, tag: of values that are not given others.
        read_only: writes nothing, not even when a value was last used; raises if there is no such directory.
        durability: "deferred": a value is there for everybody at once, and on disk a second later or so, and when the
            process ends. What power loss takes before is computed again; a wrong value it never is, and a process that dies
            loses nothing. "full": it is on disk when it was put. See `flush`. Network file systems, and disks that
            can be pulled out, are always "full".
        lock_timeout: how many seconds are waited for a lock.
        wait: how many seconds somebody else's computation is waited for, by default an hour.
        memory: how many bytes of plain values that were read are kept in memory, to be found again without the disk; none
            by default, for then removals by other processes are seen late. Each hit still hands out a value of its own.
        memory_trust: for how many seconds such a value is handed out without a look whether others have replaced or removed
            it, by default one. What is done through this object, its parts and its functions is seen at once.
        verbose: 1 tells of each computation of a memoized function on stderr, 2 of each hit as well.
        progress: shows how far long work is, on stderr, if that is a terminal or a notebook.

        Raises `IOFailed` (an OSError) if the directory cannot be made or opened, `Invalid` if it is not there and may not be
        made, or is something else; `Unsupported` if it is of a newer version.
        """
        if pickle not in ("owned", "always", "never"):
            raise ValueError(f"pickle is 'owned', 'always' or 'never', not {pickle!r}")
        if mmap_mode not in ("r", "c", None):
            raise ValueError(f"mmap_mode is 'r', 'c' or None, not {mmap_mode!r}")
        if durability not in ("full", "deferred"):
            raise ValueError(f"durability is 'full' or 'deferred', not {durability!r}")
        if memory < 0:
            raise ValueError(f"memory is a number of bytes, not {memory!r}")
        settings = Settings(
            directory=os.path.abspath(os.path.expanduser(os.fspath(directory))),
            mmap_mode=mmap_mode,
            codec=codec,
            pickle=pickle,
            expire=None if expire is None else seconds(expire),
            tags=tuple_of(tag),
            read_only=read_only,
            durability=durability,
            lock_timeout=None if lock_timeout is None else seconds(lock_timeout),
            wait=None if wait is None else seconds(wait),
            memory=memory,
            memory_trust=None if memory_trust is None else seconds(memory_trust),
            verbose=verbose,
            progress=progress,
        )
        self._use(Handle(settings, namespace))
        for name, value in {"size_limit": size_limit, "policy": policy}.items():
            if value is not None:
                maintenance.ensure(self._handle, name, value)

    def _use(self, handle: Handle) -> "Cache":
        self._handle = handle
        self._counted: Stats | None = None
        _ = handle.core
        return self

    @classmethod
    def _of(cls, settings: Settings, namespace: str) -> "Cache":
        return cls.__new__(cls)._use(Handle(settings, namespace))

    def __reduce__(self) -> tuple[Callable[[Settings, str], "Cache"], tuple[Settings, str]]:
        return self._of, (self._handle.settings, self._handle.namespace)

    # --- the mapping ---------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """The value of a key. Raises KeyError if there is none, its time is over, or it is damaged; `Untrusted` if it is a
        pickle that somebody else may have written."""
        value = stored.value(self._handle, key)
        if value is stored.MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        """Puts a value, replacing what is there. Raises what keeps it from being stored."""
        self.set(key, value)

    def __delitem__(self, key: Any) -> None:
        """Removes a value. Raises KeyError if there is none."""
        if not self.delete(key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        """Whether there is a value whose time is not over. Does not look at its content, and counts nothing."""
        return self._handle.has(self._handle.item(key))

    def __iter__(self) -> Iterator[Any]:
        """The keys in the order in which they were first put, as they are at the start. Reads every entry."""
        return stored.keys(self._handle)

    def __reversed__(self) -> Iterator[Any]:
        """The keys, the last one first."""
        return stored.keys(self._handle, last_first=True)

    def __len__(self) -> int:
        """How many values were put in this namespace, and are there, without results of functions. Reads every entry."""
        return sum(1 for _ in stored.listed(self._handle))

    def __bool__(self) -> bool:
        """True: an empty cache is one, too."""
        return True

    def __eq__(self, other: object) -> bool:
        """Whether it is the same place."""
        if not isinstance(other, Cache):
            return NotImplemented
        mine, theirs = self._handle, other._handle
        return (mine.settings.directory, mine.namespace) == (theirs.settings.directory, theirs.namespace)

    def __hash__(self) -> int:
        return hash((self._handle.settings.directory, self._handle.namespace))

    def __ndstash_key__(self) -> object:
        """What stands for it in keys: a function that uses a cache is the same wherever the directory is."""
        return "ndstash.Cache", self.namespace

    def values(self) -> stored.Values:
        """The values. Those that go while they are gone through are passed over.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache["a"] = 1
        >>> list(cache.values())
        [1]
        """
        return stored.Values(self)

    def items(self) -> stored.Items:
        """Pairs of keys and values. Those that go while they are gone through are passed over.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache["a"] = 1
        >>> dict(cache.items())
        {'a': 1}
        """
        return stored.Items(self)

    # --- as DiskCache has it -------------------------------------------------------------------------------------

    def set(
        self,
        key: Any,
        value: Any,
        expire: Seconds | Inherit | None = INHERIT,
        read: bool = False,
        tag: Tags | Inherit | None = INHERIT,
        retry: bool = True,
    ) -> bool:
        """Puts a value, replacing what is there.

        expire: for how many seconds it is there; None: for ever.
        read: `value` is a binary file; what can be read from it is stored as bytes, without memory for it.
        tag: one tag or several.
        retry: makes no difference; DiskCache has it.

        Returns True. Raises what keeps the value from being stored.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.set("token", "secret", expire=60, tag="session")
        True
        >>> cache.evict("session")
        1
        """
        return stored.put(self._handle, key, self._filler(value, read), self._labels(expire, tag))

    def add(
        self,
        key: Any,
        value: Any,
        expire: Seconds | Inherit | None = INHERIT,
        read: bool = False,
        tag: Tags | Inherit | None = INHERIT,
        retry: bool = True,
    ) -> bool:
        """Puts a value if there is none; whether it did. Of many that try at the same time, one does. Otherwise as `set`.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.add("first", 1), cache.add("first", 2), cache["first"]
        (True, False, 1)
        """
        return stored.add(self._handle, key, self._filler(value, read), self._labels(expire, tag))

    def get(
        self,
        key: Any,
        default: Any = None,
        read: bool = False,
        expire_time: bool = False,
        tag: bool = False,
        retry: bool = True,
        *,
        mmap_mode: MmapMode | Inherit = INHERIT,
    ) -> Any:
        """The value of a key; `default` if there is none.

        read: a byte string comes as a file that is open for reading, without memory for it.
        expire_time, tag: returns a tuple: the value, when its time is over (seconds since 1970; None: never), its first tag.
        mmap_mode: how arrays come back, see `Cache`.

        >>> import ndstash
        >>> cache = ndstash.Cache("results", tag="mine")
        >>> cache["a"] = 1
        >>> cache.get("a", expire_time=True, tag=True)
        (1, None, 'mine')
        >>> cache.get("b", "nothing")
        'nothing'
        """
        if not (read or expire_time or tag):
            value = stored.value(self._handle, key, mmap_mode)
            return default if value is stored.MISSING else value
        entry, value = stored.find(self._handle, key, read, mmap_mode)
        return stored.labelled(default if entry is None else value, entry, expire_time, tag)

    def pop(
        self, key: Any, default: Any = None, expire_time: bool = False, tag: bool = False, retry: bool = True
    ) -> Any:
        """Removes a value and returns it; `default` if there is none. Of many that try at the same time, one gets it.
        Otherwise as `get`.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache["job"] = "do it"
        >>> cache.pop("job"), cache.pop("job")
        ('do it', None)
        """
        entry, value = stored.pop(self._handle, key)
        return stored.labelled(default if entry is None else value, entry, expire_time, tag)

    def popitem(self, last: bool = True) -> tuple[Any, Any]:
        """Removes the last item, or the first, and returns its key and value. Raises KeyError if there is none.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.update(a=1, b=2)
        >>> cache.popitem(), cache.popitem()
        (('b', 2), ('a', 1))
        """
        for key in stored.keys(self._handle, last_first=last):
            entry, value = stored.pop(self._handle, key)
            if entry is not None:
                return key, value
        raise KeyError("the cache is empty")

    def peekitem(self, last: bool = True, expire_time: bool = False, tag: bool = False, retry: bool = True) -> Any:
        """The last item, or the first: key and value, as a tuple. Raises KeyError if there is none. Otherwise as `get`.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.update(a=1, b=2)
        >>> cache.peekitem(), cache.peekitem(last=False)
        (('b', 2), ('a', 1))
        """
        for key in stored.keys(self._handle, last_first=last):
            entry, value = stored.find(self._handle, key)
            if entry is not None:
                return stored.labelled((key, value), entry, expire_time, tag)
        raise KeyError("the cache is empty")

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value of a key; if there is none, `default` is put, and returned as it is stored.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.setdefault("a", 1), cache.setdefault("a", 2)
        (1, 1)
        """
        entry, value = stored.find(self._handle, key)
        if entry is None:
            self.add(key, default)
            entry, value = stored.find(self._handle, key)
        return default if entry is None else value

    def delete(self, key: Any, retry: bool = True) -> bool:
        """Removes a value; whether there was one.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache["a"] = 1
        >>> cache.delete("a"), cache.delete("a")
        (True, False)
        """
        return stored.delete(self._handle, key)

    def touch(self, key: Any, expire: Seconds | None = None, retry: bool = True) -> bool:
        """Makes the time of a value end so long from now, or never; whether there is such a value.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.set("a", 1, expire=60), cache.touch("a"), cache.get("a", expire_time=True)
        (True, True, (1, None))
        """
        address = self._handle.item(key)
        return self._handle.contains(address) and self._handle.core.relabel(address, expires_in=self._handle.expiry(expire))

    def incr(self, key: Any, delta: Any = 1, default: Any = 0, retry: bool = True) -> Any:
        """Adds to a number; where there is none, to `default`, or raises KeyError if that is None. Returns the sum. Of many
        that do so at the same time, everybody's change counts. Expiry and tags stay.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.incr("count"), cache.incr("count", 2), cache.decr("count")
        (1, 3, 2)
        """
        return stored.add_number(self._handle, key, delta, default)

    def decr(self, key: Any, delta: Any = 1, default: Any = 0, retry: bool = True) -> Any:
        """The same, taking away.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.decr("left", default=10)
        9
        """
        return stored.add_number(self._handle, key, -delta, default)

    def read(self, key: Any, retry: bool = True) -> BinaryIO:
        """A byte string as a file that is open for reading; it needs no memory, however long it is. Raises KeyError if
        there is none, TypeError if the value is none.

        >>> import ndstash, io
        >>> cache = ndstash.Cache("results")
        >>> cache.set("log", io.BytesIO(b"line" * 1000), read=True)
        True
        >>> with cache.read("log") as file:
        ...     file.read(8)
        b'lineline'
        """
        value = self.get(key, stored.MISSING, read=True)
        if value is stored.MISSING:
            raise KeyError(key)
        if not hasattr(value, "read"):
            raise TypeError(f"{key!r} is no byte string, but {type(value).__qualname__}")
        return cast("BinaryIO", value)

    def iterkeys(self, reverse: bool = False) -> Iterator[Any]:
        """The keys in order: numbers, texts, bytes, then others by what they look like.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> for key in ("b", 2, "a", 1.5):
        ...     cache[key] = None
        >>> list(cache.iterkeys())
        [1.5, 2, 'a', 'b']
        """
        return iter(sorted(self, key=stored.sort_key, reverse=reverse))

    # --- removing ------------------------------------------------------------------------------------------------

    def expire(self, now: float | datetime | None = None, retry: bool = True) -> int:
        """Removes values of this namespace, and results of functions, whose time is over; how many. `now`: over then.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.set("a", 1, expire=60)
        True
        >>> import time
        >>> cache.expire(), cache.expire(now=time.time() + 100)
        (0, 1)
        """
        return self._handle.core.evict(expired_at=time() if now is None else timestamp(now))

    def evict(self, tag: str, retry: bool = True) -> int:
        """Removes values of this namespace, and results of functions, that have a tag; how many. What their arrays take on
        disk is freed by `gc`. For other conditions see `find`.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.set("a", 1, tag="draft")
        True
        >>> cache.evict("draft")
        1
        """
        return self._handle.core.evict(tag=tag)

    def clear(self, retry: bool = True) -> int:  # type: ignore[override]
        """Removes everything in this namespace and those nested in it, results of functions, too; how many.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.update(a=1, b=2)
        >>> cache.clear()
        2
        """
        return self._handle.core.evict()

    def cull(self, retry: bool = True) -> int:
        """Removes what is over its time, or over the limits of the directory; how many. Happens by itself after puts.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.cull()
        0
        """
        return maintenance.cull(self._handle)

    def gc(self) -> dict[str, int]:
        """Frees what arrays of removed values take on disk; what was done. Safe beside every other use.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> import numpy as np
        >>> cache["a"] = np.zeros(100_000)
        >>> del cache["a"]
        >>> cache.gc()["bytes_freed"]
        800000
        """
        return maintenance.collect(self._handle)

    # --- the directory -------------------------------------------------------------------------------------------

    @property
    def directory(self) -> str:
        """Where it is."""
        return self._handle.settings.directory

    @property
    def namespace(self) -> str:
        """The namespace, its components separated by "/"."""
        return self._handle.namespace

    @property
    def read_only(self) -> bool:
        """Whether nothing is written."""
        return self._handle.settings.read_only

    @property
    def size_limit(self) -> int | None:
        """The most bytes that the directory may take."""
        limit: int | None = self.reset("size_limit")
        return limit

    @property
    def eviction_policy(self) -> str:
        """What goes first where there is too much: "lru", "lfu", "oldest" or "cost"."""
        policy: str = self.reset("policy")
        return policy

    def reset(self, key: str, value: Any = INHERIT) -> Any:
        """A setting of the directory: `size_limit` (bytes), `entry_limit`, `age_limit` (seconds), `policy`; changed first,
        for everybody and for good, if a value is given.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.reset("size_limit", 10**9), cache.reset("policy", "cost")
        (1000000000, 'cost')
        """
        if value is INHERIT:
            return maintenance.setting(self._handle, key)
        return maintenance.change(self._handle, key, value)

    def volume(self) -> int:
        """The bytes that the directory takes, all namespaces together.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> import numpy as np
        >>> cache["a"] = cache["b"] = np.zeros(100_000)
        >>> 800_000 < cache.volume() < 810_000
        True
        """
        usage = self._handle.store.usage()
        return usage["blob_bytes"] + usage["manifest_bytes"]

    def usage(self) -> dict[str, int]:
        """Where the space goes: entries, blobs, what is shared, what is garbage; of the directory.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> import numpy as np
        >>> cache["a"] = cache["b"] = np.zeros(100_000)
        >>> cache.usage()["saved_bytes"]
        800000
        """
        return self._handle.store.usage()

    def stats(self, enable: bool = True, reset: bool = False) -> Stats:
        """What this namespace did, in all processes: of others, up to a few seconds ago. Unpacks as `hits, misses`.

        enable: makes no difference, counting costs nothing; DiskCache has it.
        reset: this object counts from here on.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.get("nothing")
        >>> cache.stats().misses
        1
        """
        from ndstash._stats import Stats

        total = Stats.of(self._handle.core)
        counted = total if self._counted is None else total.since(self._counted)
        if reset:
            self._counted = total
        return counted

    def check(self, fix: bool = False, retry: bool = True) -> list[str]:
        """Reads all that is stored, and returns what is wrong, as texts; repairs it with `fix`, so that what is damaged is
        not there any more. Safe beside every other use.

        >>> import ndstash
        >>> ndstash.Cache("results").check()
        []
        """
        return maintenance.check(self._handle, fix)

    def merge(self, other: "Cache", replace: bool = False) -> dict[str, int]:
        """Takes over all entries of another cache's directory; `replace`: also those that are here with other content.
        Returns what was done.

        >>> import ndstash
        >>> here, there = ndstash.Cache("here"), ndstash.Cache("there")
        >>> there["a"] = 1
        >>> here.merge(there)["entries_copied"], here["a"]
        (1, 1)
        """
        return maintenance.merge(self._handle, other._handle, replace)

    def flush(self) -> None:
        """Waits until all that this process has put into the directory is on disk. Raises `IOFailed` if the disk failed, now or
        since this was last called: what could not be put on disk is not there any more.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache["a"] = 1
        >>> cache.flush()
        """
        self._handle.flush()

    def close(self) -> None:
        """Lets go of the directory; it is opened again when it is used. Arrays that are mapped stay. A cache made by `sub`
        closes with the one that made it.

        >>> import ndstash
        >>> with ndstash.Cache("results") as cache:
        ...     cache["a"] = 1
        """
        self._handle.close()

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- parts, search -------------------------------------------------------------------------------------------

    def sub(self, name: str) -> "Cache":
        """The cache of a namespace that is nested in this one. Its keys never meet those of others.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.sub("a")["x"], cache["x"] = 1, 2
        >>> cache.sub("a")["x"], cache["x"]
        (1, 2)
        """
        return type(self).__new__(type(self))._use(self._handle.sub(name))

    def find(self, **conditions: Unpack[Conditions]) -> Entries:
        """The entries of this namespace and of those nested in it that meet all conditions: `function`, `tag`, `name`,
        `older`, `newer`, `unused`, `expired`, `at_least` (bytes), `pinned`, `where` (a function of an `EntryInfo`).

        They can be gone through, counted, and removed together:

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.set("a", 1, tag="old")
        True
        >>> [entry.item for entry in cache.find(tag="old", where=lambda entry: entry.item != "b")]
        ['a']
        >>> cache.find(newer=60).forget()
        1
        """
        return Entries(self._handle, conditions)

    def entries(self) -> Entries:
        """All entries of this namespace and of those nested in it.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache["a"] = 1
        >>> len(cache.entries())
        1
        """
        return Entries(self._handle, {})

    def info(self, key: Any) -> EntryInfo | None:
        """What is known of a value; None if there is none. Its time may be over.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache.set("a", 1, tag="small")
        True
        >>> cache.info("a").tags
        ('small',)
        """
        found = self._handle.core.info(self._handle.item(key))
        return None if found is None else EntryInfo(self._handle, found)

    # --- computing -----------------------------------------------------------------------------------------------

    def empty(
        self,
        key: Any,
        shape: int | Sequence[int],
        dtype: npt.DTypeLike = float,
        *,
        expire: Seconds | Inherit | None = INHERIT,
        tag: Tags | Inherit | None = INHERIT,
    ) -> Empty:
        """A writable array that becomes the value of a key when it is sealed, without a copy. It may be larger than memory.

        >>> import ndstash, numpy as np
        >>> cache = ndstash.Cache("results")
        >>> with cache.empty("squares", 4, np.int64) as new:
        ...     new.array[:] = np.arange(4) ** 2
        >>> cache["squares"]
        array([0, 1, 4, 9])
        """

        def publish(fill: stored.Fill) -> Any:
            stored.put(self._handle, key, fill, self._labels(expire, tag))
            return stored.find(self._handle, key)[1]

        return Empty(self._handle, shape, dtype, publish)

    @overload
    def memoize(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /, **options: Unpack[MemoizeOptions]
    ) -> AsyncMemoized[P, R]: ...
    @overload
    def memoize(self, function: Callable[P, R], /, **options: Unpack[MemoizeOptions]) -> Memoized[P, R]: ...
    @overload
    def memoize(self, /, **options: Unpack[MemoizeOptions]) -> Decorator: ...
    def memoize(self, function: Any = None, /, **options: Unpack[MemoizeOptions]) -> Any:
        """Makes a function remember what it computed, also in other processes and next year.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> @cache.memoize
        ... def slow(n, offset=0):
        ...     return [n + offset]
        >>> @cache.memoize(expire=3600, tag="rates", ignore=["session"])
        ... def rate(currency, session=None):
        ...     return 1.25
        >>> slow(1), slow(n=1), slow(1, 0)
        ([1], [1], [1])
        >>> slow.stats().misses, slow.stats().hits
        (1, 2)

        A result is found by the function (module, name, code, and all that the code uses in the user's own modules) and by the
        arguments, bound to its parameters; large arrays by their content. Functions, methods (`self` counts by its content:
        see `ignore`, or give the class `__ndstash_key__`), class and static methods, coroutines, partials and callable
        objects can be memoized.

        Of all threads and processes that ask for a result one computes it, and the others wait. Nothing that is wrong with
        the cache fails a call: what has no key, or cannot be stored, is computed and handed out, with one warning
        (`NdstashWarning`) that names the function. Exceptions of the function go to whoever called; nothing is stored.

        ignore: parameters that do not count: names, positions, "*" and "**".
        round: rounds floats in the key: to so many decimals, or as a `Rounding` says; or a mapping from parameters to those.
        key: makes of the arguments what they are told apart by.
        version: stands for the code, which is then not looked at.
        name: what the function is called in the cache.
        expire: for how many seconds results are good; or a function of the result that says so.
        tag: one tag or several.
        typed: False takes 1, 1.0 and True for the same.
        mmap_mode, codec: as of `Cache`.
        keep: whether a result is to be stored: a function of it.
        valid: whether a stored result is still good: a function of its `EntryInfo`.
        stale: for how many seconds a result whose time is over is handed out while somebody else computes a new one.
        lock: False lets everybody compute at the same time.
        verbose: as of `Cache`.
        on_error: "raise" raises what would only be warned of.
        warn_mutation: warns if a call has changed an argument.
        materialize: stores a list of what a generator yields, which is refused otherwise.

        Raises `Unidentifiable` if nothing can stand for the code, TypeError for what is no function.
        """
        made = Options(**Options.checked(options))
        if function is None:
            return lambda function: memoize(self._handle, function, made)
        return memoize(self._handle, function, made)

    def eval(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls a function once as if it were memoized.

        >>> import ndstash
        >>> ndstash.Cache("results").eval(pow, 2, 10)
        1024
        """
        return self.memoize(function)(*args, **kwargs)

    def off(self) -> Switch:
        """Finds nothing and stores nothing from now on; its memoized functions and the caches made by `sub`, neither. In a
        `with` statement, until its end.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> cache["a"] = 1
        >>> with cache.off():
        ...     "a" in cache
        False
        >>> "a" in cache
        True
        """
        self._handle.switch(False)
        return Switch(self.on)

    def on(self) -> None:
        """Undoes `off`.

        >>> import ndstash
        >>> cache = ndstash.Cache("results")
        >>> _ = cache.off()
        >>> cache.on()
        >>> cache.set("a", 1)
        True
        """
        self._handle.switch(True)

    # --- for people ----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        nested = f", namespace={self.namespace!r}" if self.namespace else ""
        return f"Cache({self.directory!r}{nested})"

    def _repr_html_(self) -> str:
        rows = _show.usage_rows(self.usage()) + _show.stats_rows(self.stats())
        return _show.html_of_pairs(repr(self), rows)

    def _filler(self, value: Any, read: bool) -> stored.Fill:
        return (lambda writer: writer.stream(value)) if read else self._handle.filler(value)

    def _labels(self, expire: Seconds | Inherit | None, tag: Tags | Inherit | None) -> Labels:
        return Labels(self._handle.expiry(expire), self._handle.tags(tag))
