"""A store backend for joblib: importing this module makes `joblib.Memory(location, backend="ndstash")` work.

>>> import joblib, ndstash.joblib, numpy as np
>>> memory = joblib.Memory("results", backend="ndstash", verbose=0)
>>> @memory.cache
... def ones(n):
...     return np.ones(n)
>>> ones(3)
array([1., 1., 1.])
>>> ones.check_call_in_cache(3)
True

Keys, identity of functions, warnings and messages are joblib's own. What changes is where results lie: in an ndstash store at
the location, in the namespace "joblib", with every large array stored once, whichever calls returned it. If the location holds
other files already, as those of joblib's own backend, the store is in the directory `ndstash` there.

`mmap_mode` None gives arrays that are mapped copy-on-write: they are there at once, and may be written to, which nobody else
sees. "r" gives read-only arrays. "r+" and "w+", which with joblib's own backend write into the cache, are as "c" here. Arrays
are `numpy.ndarray`, never `numpy.memmap`, because they are not all of a file of their own.

`compress` is accepted and makes no difference: what is compressed cannot be mapped, and blobs are the bytes of the arrays.

`backend_options`: `threshold`: arrays of so many bytes and more are de-duplicated; it counts when the store is made. `pickle`:
whether results that are pickles are loaded, see `ndstash.Cache`. Others are ignored, as joblib does.
"""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pickle import PicklingError
from typing import Any, Final, NoReturn

from joblib import register_store_backend  # type: ignore[import-untyped]
from joblib._store_backends import (  # type: ignore[import-untyped]
    CacheItemInfo,
    CacheWarning,
    StoreBackendBase,
    StoreBackendMixin,
)
from joblib.logger import format_time  # type: ignore[import-untyped]

from ndstash._core import Info, Key, MmapMode, Store, Writer
from ndstash._handle import Handle, Labels, Settings, shared
from ndstash._keys import describe
from ndstash._log import pump
from ndstash.errors import Damaged, Error, Invalid, TooLarge

__all__ = ["NAMESPACE", "NdstashStoreBackend"]

NAMESPACE: Final = "joblib"
"""The namespace of the store that the results are in."""

BESIDE: Final = "ndstash"
"""The directory of the store, where the location itself holds something else."""

METADATA: Final = "joblib"
"""The metadata of an entry that has what joblib says of the call."""

ARGUMENTS: Final = "arguments"
CODE: Final = "code"
INLINE_IN_ALL: Final = 4
"""So many arrays just below the threshold lie in one entry."""

_ARGS_ID: Final = re.compile("[0-9a-f]{32}")
_MODES: Final[dict[str | None, MmapMode]] = {None: "c", "c": "c", "r+": "c", "w+": "c", "r": "r"}

CallId = Sequence[str]
"""The identifier of a function, in one part or several, and for a call the hash of its arguments."""


class NdstashStoreBackend(StoreBackendBase, StoreBackendMixin):  # type: ignore[misc]
    """What joblib asks to keep results. A write that fails is a `CacheWarning`, and never an error of the caller.

    Any number of threads and processes may use a location. A damaged result is computed again.
    """

    def configure(self, location: str, verbose: int = 1, backend_options: Mapping[str, Any] | None = None) -> None:
        """Opens the store, and makes it if need be. Raises IOFailed (an OSError) if that cannot be, ValueError for an
        unknown mode."""
        options = backend_options or {}
        mode = options.get("mmap_mode")
        if mode not in _MODES:
            raise ValueError(f"mmap_mode is None, 'c', 'r', 'r+' or 'w+', not {mode!r}")
        self.location = location
        self.verbose = verbose
        self.mmap_mode = mode
        self.compress = options.get("compress", False)
        self._settings = Settings(
            directory=_open(location, options.get("threshold")),
            mmap_mode=_MODES[mode],
            pickle=options.get("pickle", "owned"),
        )

    @property
    def _handle(self) -> Handle:
        """The open store: one for all backends of a process that want the same. It is no part of the backend's state, so that
        this is pickled and compared as joblib's own."""
        return shared(self._settings, NAMESPACE)

    @property
    def store_path(self) -> str:
        """The directory of the store."""
        return self._settings.directory

    @property
    def store_bytes(self) -> int:
        """How much its files take."""
        usage = self._handle.store.usage()
        return usage["blob_bytes"] + usage["manifest_bytes"]

    # --- results -------------------------------------------------------------------------------------------------

    def load_item(
        self,
        call_id: CallId,
        verbose: int = 1,
        timestamp: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """The result of a call. Raises KeyError if there is none, ValueError if it is damaged, `Untrusted` if it is a pickle
        that somebody else may have written, and what loading it raises."""
        if verbose > 1:
            self._tell(call_id, verbose, timestamp, metadata)
        handle = self._handle
        try:
            entry = handle.store.entry(item_key(call_id))
            if entry is None:
                handle.core.note_miss()
                raise KeyError(f"there is no result in {self._path(call_id)}: it may have been cleared")
            value = handle.load(entry)
        except Damaged as error:
            handle.core.note_damaged(item_key(call_id), str(error))
            raise ValueError(f"the result in {self._path(call_id)} is damaged: {error}") from error
        finally:
            pump()
        handle.core.note_hit(entry)
        return value

    def _tell(
        self, call_id: CallId, verbose: int, timestamp: float | None, metadata: Mapping[str, Any] | None
    ) -> None:
        since = "" if timestamp is None else f"{format_time(time.time() - timestamp): <16}"
        call = os.path.basename(call_id[0])
        if metadata and "input_args" in metadata:
            call += f"({', '.join(f'{name}={value}' for name, value in metadata['input_args'].items())})"
        where = "..." if verbose < 10 else f" from {self._path(call_id)}"
        print(f"[Memory]{since}: Loading {call}{where}")

    def dump_item(self, call_id: CallId, item: Any, verbose: int = 1) -> None:
        """Stores the result of a call. What cannot be stored is a warning: `CacheWarning`, or as joblib has it FutureWarning
        for what says that it cannot be pickled; what was there then stays."""
        if verbose > 10:
            print(f"Persisting in {self._path(call_id)}")
        try:
            self.put(item_key(call_id), item, Labels())
        except Exception as error:
            kind = FutureWarning if isinstance(error.__cause__, PicklingError) else CacheWarning
            warnings.warn(f"Unable to cache to disk: {error}", kind, stacklevel=2)
        finally:
            pump()

    def put(self, key: Key, item: Any, labels: Labels) -> None:
        """Stores a result, and raises whatever keeps it from being stored."""
        self._handle.save(key, item, labels)

    def contains_item(self, call_id: CallId) -> bool:
        """Whether there is a result of the call. A damaged one is: joblib then says so, and computes it again."""
        try:
            return self._handle.contains(item_key(call_id))
        except Damaged:
            return True
        except Error:
            return False

    def clear_item(self, call_id: CallId) -> None:
        """Removes the result of a call. Its arrays go when space is next collected: at the latest in `reduce_size` and
        `clear`."""
        self._handle.core.forget(item_key(call_id))

    def store_metadata(self, call_id: CallId, metadata: Mapping[str, Any]) -> None:
        """Adds what joblib says of a call to its result, if that is stored; without the arguments if they are too long."""
        core = self._handle.core
        try:
            try:
                core.relabel(item_key(call_id), meta={METADATA: dict(metadata)})
            except (Invalid, TooLarge):
                core.relabel(item_key(call_id), meta={METADATA: {**metadata, "input_args": {}}})
        except (Error, TypeError) as error:
            warnings.warn(f"Unable to cache metadata to disk: {error}", CacheWarning, stacklevel=2)

    def get_metadata(self, call_id: CallId) -> dict[str, Any]:
        """What joblib said of a call; nothing if there is no result of it, or it is damaged."""
        try:
            info = self._handle.core.info(item_key(call_id))
        except Error:
            return {}
        found: dict[str, Any] = info.meta.get(METADATA, {}) if info else {}
        return found

    # --- functions -----------------------------------------------------------------------------------------------

    def store_cached_func_code(self, call_id: CallId, func_code: str | None = None) -> None:
        """Stores the source of a function. It is pinned: without it nobody knows which source the results are of."""
        if func_code is None:
            return
        code = func_code

        def fill(writer: Writer) -> None:
            writer.portable(code)
            writer.pin(True)

        try:
            self._handle.put(_code(call_id), fill, Labels())
        except Error as error:
            warnings.warn(f"Unable to cache the code of a function to disk: {error}", CacheWarning, stacklevel=2)

    def get_cached_func_code(self, call_id: CallId) -> str:
        """The source of a function. Raises FileNotFoundError if there is none; if it is damaged as well, and then removes the
        results, which may be of any source."""
        self._handle.renew()
        try:
            entry = self._handle.store.entry(_code(call_id))
            if entry is not None:
                return str(entry.portable(None))
        except Error:
            self.clear_path(call_id)
        raise FileNotFoundError(f"no code is stored of the function {os.path.join(*call_id)}")

    def contains_path(self, call_id: CallId) -> bool:
        """Whether anything of a function is stored."""
        return self._handle.contains(_code(call_id)) or any(True for _ in self._of_function(os.path.join(*call_id)))

    def clear_path(self, call_id: CallId) -> None:
        """Removes the results of a function and its source, in this order, and collects their arrays."""
        if self._forget(self._of_function(os.path.join(*call_id))):
            self._collect()
        self._handle.core.forget(_code(call_id))

    def _of_function(self, function: str) -> list[Info]:
        self._handle.renew()
        return [info for info in self._handle.core.find(function=function) if _args_id(info)]

    # --- everything ----------------------------------------------------------------------------------------------

    def get_items(self) -> list[Any]:
        """The results, the one that was not used for longest first. An array that several have counts as part of the one that
        was used last: so the sizes (bytes on disk) add up, and are what is freed if the first ones are removed."""
        self._handle.renew()
        infos = [info for info in self._handle.core.find() if _args_id(info)]
        counted: set[str] = set()
        items = []
        for info in sorted(infos, key=_last_access, reverse=True):
            blobs = {array["digest"]: array["nbytes"] for array in info.arrays if not array["inline"]}
            size = info.manifest_bytes + sum(blobs[digest] for digest in blobs.keys() - counted)
            counted |= blobs.keys()
            path = self._path((str(info.function), _args_id(info)))
            items.append(CacheItemInfo(path, size, datetime.fromtimestamp(_last_access(info))))
        return items[::-1]

    def enforce_store_limits(
        self, bytes_limit: int | str | None, items_limit: int | None = None, age_limit: timedelta | None = None
    ) -> None:
        """Removes results until the limits hold, those not used for longest first, and collects their arrays. Shared arrays
        count once. Raises ValueError for a negative age."""
        items = self._get_items_to_delete(bytes_limit, items_limit, age_limit)
        for item in items:
            if self.verbose > 10:
                print(f"Deleting item {item}")
            self.clear_location(item.path)
        if items:
            self._collect()

    def clear_location(self, location: str) -> None:
        """Removes a result, a function or, if it is the location of the backend, everything that joblib has in the store."""
        call_id = self._call_id(location)
        if not call_id:
            self._handle.renew()
            self._forget(list(self._handle.core.find()))
            self._collect()
        elif len(call_id) == 1:
            self.clear_path(call_id)
        else:
            self.clear_item(call_id)

    def create_location(self, location: str) -> None:
        """Does nothing: entries need no directory."""

    def _item_exists(self, location: str) -> bool:
        call_id = self._call_id(location)
        return not call_id or (self.contains_path(call_id) if len(call_id) == 1 else self.contains_item(call_id))

    def _open_item(self, f: object, mode: str) -> NoReturn:
        raise OSError(f"{f}: results in an ndstash store are no files")

    def _move_item(self, src: str, dst: str) -> NoReturn:
        raise OSError(f"{src}: results in an ndstash store are no files")

    def _forget(self, infos: Sequence[Info]) -> int:
        """Removes entries, sources of functions last; how many."""
        core = self._handle.core
        return sum(core.forget(info.key) for info in sorted(infos, key=lambda info: not _args_id(info)))

    def _collect(self) -> None:
        try:
            self._handle.store.gc()
        except Error as error:
            warnings.warn(f"Unable to free the space of what was removed: {error}", CacheWarning, stacklevel=3)
        finally:
            pump()

    # --- names ---------------------------------------------------------------------------------------------------

    def _path(self, call_id: CallId) -> str:
        """What joblib calls a result: where its own backend would put it."""
        return os.path.join(self.location, *call_id)

    def _call_id(self, location: str) -> CallId:
        relative = os.path.relpath(location, self.location)
        if relative == os.curdir:
            return ()
        function, last = os.path.split(relative)
        return (function, last) if function and _ARGS_ID.fullmatch(last) else (relative,)


def _open(location: str, threshold: int | None) -> str:
    """Makes sure that there is a store at the location, or in a directory there if it holds something else; where it is."""
    inline = None if threshold is None else (max(0, threshold - 1), max(0, threshold - 1) * INLINE_IN_ALL)
    here = os.path.abspath(location)
    beside = os.path.join(here, BESIDE)
    if not _is_store(beside):
        try:
            Store.open(here, inline=inline)
            return here
        except Invalid:
            if _is_store(here):
                raise
    Store.open(beside, inline=inline)
    return beside


def _is_store(directory: str) -> bool:
    return os.path.lexists(os.path.join(directory, "ndstash.toml"))


def item_key(call_id: CallId) -> Key:
    """The key of a result."""
    *function, arguments = call_id
    return Key.of_call(NAMESPACE, os.path.join(*function), None, {ARGUMENTS: arguments}, describe=describe)


def _code(call_id: CallId) -> Key:
    return Key.of_call(NAMESPACE, os.path.join(*call_id), None, {CODE: None}, describe=describe)


def _args_id(info: Info) -> str:
    """The hash of the arguments, for a result; empty for the source of a function."""
    return str((info.parts or {}).get(ARGUMENTS, ""))


def _last_access(info: Info) -> float:
    """When a result was last used, as far as that is known: to the second."""
    return max(info.last_used, info.created)


register_store_backend("ndstash", NdstashStoreBackend)
