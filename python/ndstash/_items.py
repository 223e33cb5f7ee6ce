"""The items of a mapping: how they are found, put, counted and put in order."""

import io
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from contextlib import suppress
from time import time
from typing import Any, Final, Literal

from ndstash._core import Entry, Info, Key, MmapMode, Writer
from ndstash._handle import INHERIT, Handle, Inherit, Labels
from ndstash._info import ITEM, PLACE, is_over, item_of, place_of
from ndstash._log import pump
from ndstash._travel import register as send_references
from ndstash.errors import Damaged, Invalid, Unsupported


class Missing:
    """Stands for no value at all."""

    def __repr__(self) -> str:
        return "missing"


MISSING: Final = Missing()

Fill = Callable[[Writer], object]
"""Gives a writer its value."""


# --- finding ---------------------------------------------------------------------------------------------------------


def value(handle: Handle, key: Any, mode: MmapMode | Inherit = INHERIT) -> Any:
    """A value, counted; or `MISSING`. It comes from memory, if it is held there. Raises as `find`."""
    address = handle.item(key)
    if handle.settings.memory:
        try:
            found = handle.core.hit(address, handle.mode(mode), MISSING, MISSING)
        except Damaged as error:
            return _damaged(handle, address, error)
        except Exception:  # `find` meets it again, and tells.
            found = MISSING
        if found is not MISSING:
            send_references()
            return found
    return find(handle, address, mode=mode)[1]


def find(
    handle: Handle, key: Any, read: bool = False, mode: MmapMode | Inherit = INHERIT
) -> tuple[Entry | None, Any]:
    """An entry and its value, counted; or `MISSING`. Raises what keeps a sound entry from being loaded."""
    entry = handle.look(handle.item(key))
    core = handle.core
    if entry is None:
        core.note_miss()
        pump()
        return None, MISSING
    try:
        value = _open(handle, entry, mode) if read else handle.load(entry, mode)
    except Damaged as error:
        return None, _damaged(handle, entry.key, error)
    core.note_hit(entry)
    return entry, value


def _damaged(handle: Handle, address: Key, error: Damaged) -> Missing:
    """Counts and tells that a value is damaged."""
    handle.core.note_damaged(address, str(error))
    handle.core.note_miss()
    pump()
    return MISSING


def _open(handle: Handle, entry: Entry, mode: MmapMode | Inherit) -> Any:
    """Bytes as a file that is open for reading, mapped unless they are pickled; what is no byte string as it is."""
    if entry.encoding == "tree":
        with suppress(Unsupported):
            return entry.stream()
    value = handle.load(entry, mode)
    return io.BytesIO(value) if isinstance(value, bytes) else value


def labelled(value: Any, entry: Entry | None, expire_time: bool, tag: bool) -> Any:
    """A value, and with it in a tuple what else was asked for."""
    if not (expire_time or tag):
        return value
    expires = entry.expires if entry else None
    first = entry.tags[0] if entry and entry.tags else None
    return (value, *((expires,) if expire_time else ()), *((first,) if tag else ()))


# --- putting ---------------------------------------------------------------------------------------------------------


def put(handle: Handle, key: Any, fill: Fill, labels: Labels) -> bool:
    """Puts a value, in the place of what is there; whether anything was put: nothing is while the cache is off."""
    address = handle.item(key)
    return _put(handle, address, key, fill, labels, handle.core.info(address), "any")


def add(handle: Handle, key: Any, fill: Fill, labels: Labels) -> bool:
    """Puts a value where none can be used; whether it did."""
    address = handle.item(key)
    if handle.look(address) is not None:
        return False
    before = handle.core.info(address)
    return _put(handle, address, key, fill, labels, before, before or "absent")


def _put(
    handle: Handle,
    address: Key,
    key: Any,
    fill: Fill,
    labels: Labels,
    before: Info | None,
    expect: Literal["any", "absent"] | Info,
) -> bool:
    if not handle.core.enabled:
        return False
    marks = {PLACE: place_of(before)} if before is not None and not is_over(before) else {}
    labels.meta = {**labels.meta, **marks}

    def fill_and_mark(writer: Writer) -> None:
        _mark(writer, key, before)
        fill(writer)

    try:
        return handle.put(address, fill_and_mark, labels, expect)
    finally:
        pump()


def _mark(writer: Writer, key: Any, before: Info | None) -> None:
    """Keeps the key as it was given, if it is plain and not too long."""
    if isinstance(key, Key):
        if before is None or ITEM not in before.meta:
            return
        key = before.meta[ITEM]
    try:
        writer.meta(ITEM, key)
    except (TypeError, Invalid):
        pass


def add_number(handle: Handle, key: Any, delta: Any, default: Any) -> Any:
    """Adds to a number, or to `default` where there is none. Returns the sum. Nobody's change is lost."""
    address = handle.item(key)
    while True:
        entry = handle.look(address)
        before = entry or handle.core.info(address)
        if entry is None and default is None:
            raise KeyError(key)
        total = (default if entry is None else handle.load(entry)) + delta
        labels = Labels() if entry is None else _labels_of(entry)
        if not handle.core.enabled:
            return total
        if _put(handle, address, key, handle.filler(total), labels, before, before or "absent"):
            return total


def _labels_of(entry: Entry) -> Labels:
    """Those that an entry has now."""
    left = None if entry.expires is None else max(0.0, entry.expires - time())
    meta = {name: value for name, value in entry.meta.items() if not name.startswith("(")}
    return Labels(left, entry.tags, meta)


# --- removing --------------------------------------------------------------------------------------------------------


def pop(handle: Handle, key: Any) -> tuple[Entry | None, Any]:
    """Removes an entry; it and its value, or `MISSING`. Of many that try at the same time, one gets it."""
    while True:
        entry, value = find(handle, key)
        if entry is None or handle.core.forget(entry.key, entry):
            return entry, value


def delete(handle: Handle, key: Any) -> bool:
    """Removes an entry; whether there was one whose time was not over."""
    address = handle.item(key)
    was_there = handle.has(address)
    return handle.core.forget(address) and was_there


# --- in order --------------------------------------------------------------------------------------------------------


def listed(handle: Handle) -> Iterator[Info]:
    """The items of the namespace, in no order; neither results of functions nor what nested namespaces hold."""
    handle.renew()
    for info in handle.core.find():
        if info.function is None and info.namespace == handle.namespace and not is_over(info):
            yield info


def in_order(handle: Handle, last_first: bool = False) -> list[Info]:
    """The same in the order of insertion."""
    return sorted(listed(handle), key=place_of, reverse=last_first)


def sort_key(key: Any) -> tuple[Any, ...]:
    """Numbers, texts, bytes, then whatever else there is."""
    if isinstance(key, int | float):
        return 0, key, type(key).__name__
    if isinstance(key, str | bytes):
        return (1 if isinstance(key, str) else 2), key, ""
    return 3, type(key).__name__, repr(key)


def keys(handle: Handle, last_first: bool = False) -> Iterator[Any]:
    """The keys in the order of insertion."""
    return iter([item_of(info) for info in in_order(handle, last_first)])


class Values(ValuesView[Any]):
    """The values of a cache."""

    def __init__(self, cache: Mapping[Any, Any]) -> None:
        super().__init__(cache)
        self._cache = cache

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._cache.items())


class Items(ItemsView[Any, Any]):
    """The keys and values of a cache."""

    def __init__(self, cache: Mapping[Any, Any]) -> None:
        super().__init__(cache)
        self._cache = cache

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for key in self._cache:
            value = self._cache.get(key, MISSING)
            if value is not MISSING:
                yield key, value
