"""Search: conditions as people give them, and what meets them."""

from collections.abc import Callable, Iterator
from datetime import datetime
from time import time
from typing import Any, TypedDict

from ndstash import _show
from ndstash._handle import Handle
from ndstash._info import EntryInfo
from ndstash._log import pump
from ndstash._times import Seconds, seconds, timestamp


class Conditions(TypedDict, total=False):
    """What is looked for; all of it must be met."""

    function: str | Callable[..., Any]
    """Computed by this function; or by that of this name."""
    tag: str
    """Has this tag."""
    name: str
    """Has a name that begins so."""
    older: Seconds | datetime
    """Was put longer ago; or before this time."""
    newer: Seconds | datetime
    """Was put less long ago; or at this time or after."""
    unused: Seconds | datetime
    """Was not read for so long; or since this time."""
    expired: bool
    """Its time is over, or is not."""
    at_least: int
    """Its arrays have so many bytes or more."""
    pinned: bool
    """Is pinned, or is not."""
    where: Callable[[EntryInfo], bool]
    """Something of the caller's own."""


def ago(time_or_age: Seconds | datetime) -> float:
    """A point in time, given as such or by how long ago it was."""
    return timestamp(time_or_age) if isinstance(time_or_age, datetime) else time() - seconds(time_or_age)


def name_of(function: str | Callable[..., Any]) -> str:
    """What a function is called in a store."""
    if isinstance(function, str):
        return function
    name = getattr(function, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"expected a memoized function or the name of one, not {function!r}")
    return name


def query(conditions: Conditions) -> dict[str, Any]:
    """Those of the conditions that the core looks at."""
    converted: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "function": ("function", name_of),
        "tag": ("tag", str),
        "name": ("prefix", str),
        "older": ("created_before", ago),
        "newer": ("created_after", ago),
        "unused": ("used_before", ago),
        "at_least": ("at_least", int),
        "pinned": ("pinned", bool),
    }
    unknown = set(conditions) - set(converted) - {"expired", "where"}
    if unknown:
        raise TypeError(f"unknown condition: {', '.join(sorted(unknown))}")
    given = [(converted[name], value) for name, value in conditions.items() if name in converted and value is not None]
    core = {name: convert(value) for (name, convert), value in given}
    return core | ({"expired_at": time()} if conditions.get("expired") else {})


class Entries:
    """The entries that meet some conditions, looked for anew each time they are gone through; in no particular order.

    >>> import ndstash
    >>> cache = ndstash.Cache("results")
    >>> cache.set("a", 1, tag="small")
    True
    >>> cache.set("b", 2, tag="small")
    True
    >>> len(cache.find(tag="small"))
    2
    >>> cache.find(tag="small").forget()
    2
    """

    def __init__(self, handle: Handle, conditions: Conditions) -> None:
        self._handle = handle
        self._conditions = conditions
        query(conditions)

    def __iter__(self) -> Iterator[EntryInfo]:
        self._handle.renew()
        for info in self._handle.core.find(**query(self._conditions)):
            entry = EntryInfo(self._handle, info)
            if self._is_wanted(entry):
                yield entry
        pump()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    @property
    def nbytes(self) -> int:
        """Their bytes, as if nothing were shared."""
        return sum(entry.nbytes for entry in self)

    def forget(self) -> int:
        """Removes them, pinned ones too; how many. Those that are replaced meanwhile stay. What their arrays take on disk
        is freed by `Cache.gc`."""
        if self._needs_python():
            return sum(entry.forget() for entry in self._shown("removing"))
        return self._handle.core.evict(**query(self._conditions))

    def invalidate(self) -> int:
        """Ends their time: they are computed anew when they are asked for next, and a function that may take stale values
        still gets them meanwhile. How many there were."""
        if self._needs_python():
            return sum(entry.touch(0) for entry in self._shown("invalidating"))
        return self._handle.core.expire(**query(self._conditions))

    def _shown(self, label: str) -> Iterator[EntryInfo]:
        from ndstash._progress import through

        return through(self, label, "entries", wanted=self._handle.settings.progress)

    def _needs_python(self) -> bool:
        return "where" in self._conditions or self._conditions.get("expired") is False

    def _is_wanted(self, entry: EntryInfo) -> bool:
        if self._conditions.get("expired") is False and entry.is_expired:
            return False
        where = self._conditions.get("where")
        return where is None or where(entry)

    def __repr__(self) -> str:
        conditions = ", ".join(f"{name}={value!r}" for name, value in self._conditions.items())
        return f"<entries of {self._handle.settings.directory!r}{': ' + conditions if conditions else ''}>"

    def _repr_html_(self) -> str:
        return _show.html_of_entries(sorted((entry._info for entry in self), key=lambda info: -info.created))
