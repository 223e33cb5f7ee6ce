"""What is known of one stored value."""

from datetime import datetime
from time import time
from typing import Any

from ndstash import _show
from ndstash._core import Info, Key, MmapMode
from ndstash._handle import INHERIT, Handle, Inherit
from ndstash._times import Seconds, moment, seconds

ITEM = "(key)"
"""The metadata that holds the key of an item as it was given, where it is plain."""
PLACE = "(place)"
"""The metadata that holds the place of an item that was replaced: that of the first one."""


def item_of(info: Info) -> Any:
    """The key of an item, as it was given; where that was not kept, the `Key` that stands for it everywhere."""
    return info.meta.get(ITEM, info.key)


def place_of(info: Info) -> int:
    """Where an item comes in the order of insertion."""
    place: int = info.meta.get(PLACE, info.sequence)
    return place


def is_over(info: Info) -> bool:
    """Whether the time of an entry is over."""
    return info.expires is not None and info.expires <= time()


class EntryInfo:
    """One stored value: what `Cache.find` and `Cache.entries` tell of it. It may be gone by the time it is looked at.

    >>> import ndstash
    >>> cache = ndstash.Cache("results")
    >>> cache["answer"] = 42
    >>> entry, = cache.find()
    >>> entry.item, entry.value(), entry.expires
    ('answer', 42, None)
    """

    __slots__ = ("_handle", "_info")

    def __init__(self, handle: Handle, info: Info) -> None:
        self._handle = handle
        self._info = info

    @property
    def key(self) -> Key:
        """Its key."""
        return self._info.key

    @property
    def item(self) -> Any:
        """The key that it was put under in a mapping, if it was; its `Key` otherwise."""
        return item_of(self._info)

    @property
    def function(self) -> str | None:
        """The function that computed it."""
        return self._info.function

    @property
    def version(self) -> str | None:
        """The version of that function."""
        return self._info.version

    @property
    def arguments(self) -> dict[str, Any] | None:
        """What the function was called with, as far as it can be read back: of large arrays their digests."""
        return self._info.parts

    @property
    def namespace(self) -> str | None:
        """The namespace it is in."""
        return self._info.namespace

    @property
    def created(self) -> datetime:
        """When it was put, in UTC."""
        return moment(self._info.created)

    @property
    def last_used(self) -> datetime:
        """When it was last read, to the minute, in UTC."""
        return moment(self._info.last_used)

    @property
    def expires(self) -> datetime | None:
        """When its time is over, in UTC."""
        return None if self._info.expires is None else moment(self._info.expires)

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return is_over(self._info)

    @property
    def compute_time(self) -> float | None:
        """How many seconds it took to compute."""
        return self._info.compute_time

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return tuple(self._info.tags)

    @property
    def meta(self) -> dict[str, Any]:
        """Its metadata."""
        return {name: value for name, value in self._info.meta.items() if not name.startswith("(")}

    @property
    def pinned(self) -> bool:
        """Whether every policy has to leave it alone."""
        return self._info.pinned

    @property
    def host(self) -> str | None:
        """The machine it was computed on."""
        return self._info.host

    @property
    def user(self) -> str | None:
        """Who computed it."""
        return self._info.user

    @property
    def encoding(self) -> str:
        """How it is stored: "tree" can be read by every program, "pickle-5" by Python."""
        return self._info.encoding

    @property
    def arrays(self) -> list[dict[str, Any]]:
        """Its arrays: dtype, shape, order, nbytes, digest, and whether they are inline."""
        return self._info.arrays

    @property
    def nbytes(self) -> int:
        """The bytes of its arrays, as if none were shared, and of the rest."""
        return self._info.logical_bytes + self._info.manifest_bytes

    @property
    def description(self) -> str:
        """What it is in a few words."""
        return self._info.description

    def value(self, mmap_mode: MmapMode | Inherit = INHERIT) -> Any:
        """The value. Does not count as a hit.

        Raises KeyError if it is gone, its time is over, or it cannot be used.
        """
        entry = self._handle.core.look(self._info.key)
        if entry is None:
            raise KeyError(self.item)
        return self._handle.load(entry, mmap_mode)

    def forget(self) -> bool:
        """Removes it, unless it was replaced; whether it did."""
        return self._handle.core.forget(self._info.key, self._info)

    def touch(self, expire: Seconds | None) -> bool:
        """Makes its time end so long from now, or never; whether it is still there."""
        expires_in = None if expire is None else seconds(expire)
        return self._handle.core.relabel(self._info.key, expires_in=expires_in)

    def pin(self, pinned: bool = True) -> bool:
        """Keeps every policy from removing it, or no longer does; whether it is still there."""
        return self._handle.core.relabel(self._info.key, pinned=pinned)

    def __repr__(self) -> str:
        return f"<{_show.title(self._info)}: {self.description}, {_show.size(self.nbytes)}>"

    def _repr_html_(self) -> str:
        return _show.html_of_entry(self._info)
