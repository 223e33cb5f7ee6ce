"""Keeps what travels from being collected: an entry of this process names it until it can be taken to have arrived.

Each sending process has a slot of its own, an entry `travelling/<n>`. It is ours while we hold the lock of its flight, which
vanishes with the process: so whoever looks for a slot can tell those that dead processes left, and tidies them up.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
import time
from collections.abc import Iterator
from typing import Final, final
from weakref import WeakSet

from ndstash._core import Buffer, Busy, Cache, Error, Flight, Key, Store

SPACE: Final = "travelling"
SLOTS: Final = 256
GRACE: Final = 600.0
"""Seconds for which something is kept after nobody here uses it any more: the time to open what was sent last."""


def hold(buffer: Buffer) -> bytes | None:
    """Keeps the blob of a buffer until the buffer is gone, and GRACE longer, or this process ends. Returns the boot in which
    it was seen to be there; None if it cannot."""
    if buffer.store is None or buffer.digest is None:
        return None
    try:
        pins = _pins_of(buffer.store)
        if pins is not None:
            pins.hold(buffer, buffer.digest)
    except Error:
        return None
    return None if pins is None else pins.boot


@final
class _Held:
    __slots__ = ("map", "unused_since", "users")

    def __init__(self, own: Buffer, user: Buffer) -> None:
        self.map = own
        self.users = WeakSet([user])
        self.unused_since: float | None = None

    def has_arrived(self, now: float) -> bool:
        if self.users:
            self.unused_since = None
        elif self.unused_since is None:
            self.unused_since = now
        return self.unused_since is not None and now - self.unused_since > GRACE


@final
class _Pins:
    """What travels out of this process from one store."""

    def __init__(self, path: str) -> None:
        # What travels was often put a moment ago: to wait for the disk would write it again.
        self._store = Store.open(path, create=False, durability="deferred")
        self.boot: Final = self._store.boot
        self._lock = allocate_lock()
        self._held: dict[str, _Held] = {}
        self._slot, self._flight = _claim(self._store)
        self._flight.detach()  # It is the process's, not the thread's, which may wait for others.

    def hold(self, buffer: Buffer, digest: str) -> None:
        with self._lock:
            held = self._held.get(digest)
            if held is not None:
                held.users.add(buffer)
                return
            now = time.monotonic()
            self._held = {name: one for name, one in self._held.items() if not one.has_arrived(now)}
            self._publish(buffer)
            # A map of our own: ours must not keep alive what tells us that the others are gone.
            own = self._store.buffer(digest, buffer.nbytes, "r", self.boot)
            self._held[digest] = _Held(buffer if own is None else own, buffer)

    def _publish(self, newcomer: Buffer) -> None:
        writer = self._store.writer(self._slot)
        writer.pin(True)
        writer.meta("process", os.getpid())
        writer.payload(SPACE, b"", [*(one.map for one in self._held.values()), newcomer])
        writer.put()

    def close(self) -> None:
        with self._lock:
            self._held = {}
            self._store.remove(self._slot)
            self._flight.release()


def _claim(store: Store) -> tuple[str, Flight]:
    """A slot that nobody has. What dead processes left in those behind it is removed."""
    free = _free_slots(store, store.cache(SPACE))
    mine = next(free, None)
    if mine is None:
        raise Busy(f"{SLOTS} processes send arrays of {store.path}, or it cannot be written to")
    for name, flight in free:
        store.remove(name)
        flight.release()
    return mine


def _free_slots(store: Store, cache: Cache) -> Iterator[tuple[str, Flight]]:
    """The first slot that is free, then those that are free and not empty; each is locked."""
    found = False
    for number in range(SLOTS):
        name = f"{SPACE}/{number}"
        if found and store.info(name) is None:
            continue
        flight = _lock_of(cache, name)
        if flight is not None:
            found = True
            yield name, flight


def _lock_of(cache: Cache, name: str) -> Flight | None:
    try:
        return cache.flight(Key.of_name(name), 0.0)
    except Busy:
        return None


_lock = allocate_lock()
_pins: dict[str, _Pins | None] = {}
"""By the path of the store; None where it was tried in vain."""


def _pins_of(path: str) -> _Pins | None:
    with _lock:
        if path not in _pins:
            if not _pins:
                _at_exit()
            _pins[path] = None
            _pins[path] = _Pins(path)
        return _pins[path]


def _at_exit() -> None:
    """Has the slots given back when this process ends, after the processes that it waits for."""
    from multiprocessing.util import Finalize

    Finalize(None, _close, exitpriority=-1)


def _close() -> None:
    with _lock:
        for pins in filter(None, _pins.values()):
            try:
                pins.close()
            except Error:
                pass  # The store may be gone. If it is not, the next process to send from it tidies up.
        _pins.clear()


def _forget() -> None:
    """In a forked process: the slots are the parent's."""
    global _lock
    _lock = allocate_lock()
    _pins.clear()


os.register_at_fork(after_in_child=_forget)
