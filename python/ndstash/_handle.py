"""An open namespace of a store, and how values go into it and come out."""

import enum
import os
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from ndstash import codec as codecs
from ndstash._core import Cache as Core
from ndstash._core import Entry, Info, Key, MmapMode, Store, Writer
from ndstash._exit import counting
from ndstash._keys import describe
from ndstash._times import Seconds, seconds
from ndstash.errors import Damaged, Invalid, Unsupported


Durability = Literal["full", "deferred"]


class Inherit(enum.Enum):
    """Stands for "as the cache says" where None means something."""

    INHERIT = "as the cache says"

    def __repr__(self) -> str:
        return "..."


INHERIT: Final = Inherit.INHERIT


class Settings(NamedTuple):
    """What a `Cache` was made with, and what makes it again in another process."""

    directory: str
    mmap_mode: MmapMode = "r"
    codec: str | codecs.Codec = "auto"
    pickle: codecs.Pickles = "owned"
    expire: float | None = None
    tags: tuple[str, ...] = ()
    read_only: bool = False
    durability: Durability | None = None
    lock_timeout: float | None = None
    wait: float | None = None
    memory: int = 0
    memory_trust: float | None = None
    verbose: int = 0
    progress: bool = True


class Labels:
    """What goes with a value when it is put."""

    def __init__(
        self,
        expire: float | None = None,
        tags: Iterable[str] = (),
        meta: Mapping[str, object] | None = None,
        compute_time: float | None = None,
        created: float | None = None,
    ) -> None:
        """`created`: when the value was made, where that was not now: it comes from another cache."""
        self.expire = expire
        self.tags = tags
        self.meta: Mapping[str, object] = meta or {}
        self.compute_time = compute_time
        self.created = created

    def write(self, writer: Writer) -> None:
        """Gives them to a writer."""
        for tag in self.tags:
            writer.tag(tag)
        for name, value in self.meta.items():
            writer.meta(name, value)
        if self.expire is not None:
            writer.expires_in(self.expire)
        if self.compute_time is not None:
            writer.compute_time(self.compute_time)
        if self.created is not None:
            writer.created(self.created)


class Handle:
    """A namespace of a store, opened when it is first used and again after `close`."""

    def __init__(self, settings: Settings, namespace: str) -> None:
        self.settings: Final = settings
        self.namespace: Final = namespace
        self.codec: Final = codecs.resolve(settings.codec)
        self.opened: Core | None = None
        """The cache of the core, while it is open."""
        self._enabled = True
        self._place: tuple[int, int] | None = None

    @property
    def core(self) -> Core:
        """The cache of the core."""
        return self.opened or self.open()

    def counted_as(self, name: str) -> "Handle":
        """The same, with counters of its own that are part of this one's."""
        return _Inner(self, name, self.namespace)

    def sub(self, name: str) -> "Handle":
        """A namespace nested in this one, opened, closed and switched off together with it."""
        return _Inner(self, name, f"{self.namespace}/{name}" if self.namespace else name)

    @property
    def root(self) -> "Handle":
        """The handle that this one is opened, closed and switched off together with: itself, if it is no part."""
        return self

    @property
    def store(self) -> Store:
        """The store of the core."""
        return self.core.store

    def open(self) -> Core:
        """Opens the store, also if it is open already."""
        settings = self.settings
        if settings.read_only and not os.path.lexists(settings.directory):
            raise Invalid(f"there is no directory {settings.directory!r}: a Cache makes it, unless it is read-only")
        store = Store.open(
            settings.directory,
            create=not settings.read_only,
            read_only=settings.read_only,
            lock_timeout=settings.lock_timeout,
            durability=settings.durability,
        )
        self._place = _place(settings.directory)
        core = self.opened = store.cache(
            self.namespace, wait=settings.wait, memory=settings.memory, memory_trust=settings.memory_trust
        )
        core.enabled = self._enabled
        counting.add(self)
        return core

    def renew(self) -> bool:
        """Opens the store anew, or makes it, if the directory was removed or replaced meanwhile; whether it was."""
        moved = self.opened is not None and _place(self.settings.directory) != self._place and not self.settings.read_only
        if moved:
            self.open()
        return moved

    def contains(self, key: Key) -> bool:
        """Whether there is an entry whose time is not over. Raises Damaged."""
        return self.core.contains(key) or (self.renew() and self.core.contains(key))

    def has(self, key: Key) -> bool:
        """The same, where one that is damaged, or of a later version, is as good as none."""
        try:
            return self.contains(key)
        except (Damaged, Unsupported):
            return False

    def look(self, key: Key) -> Entry | None:
        """The entry, if its time is not over; counts nothing."""
        entry = self.core.look(key)
        return self.core.look(key) if entry is None and self.renew() else entry

    def switch(self, enabled: bool) -> None:
        """Switches it on or off."""
        self._enabled = enabled
        self.core.enabled = enabled

    def close(self) -> None:
        """Lets go of the store, once all that was put is on disk. What is mapped stays mapped."""
        core, self.opened = self.opened, None
        if core is not None:
            core.store.flush()

    def flush(self) -> None:
        """Puts on disk what was put, and writes down what was counted."""
        if self.opened is not None:
            self.opened.store.flush()
            self.opened.stats()

    def __reduce__(self) -> tuple[Callable[[Settings, str], "Handle"], tuple[Settings, str]]:
        return shared, (self.settings, self.namespace)

    def item(self, item: object) -> Key:
        """The key of an item of the mapping; a `Key` is one."""
        return item if isinstance(item, Key) else Key.of_item(self.namespace, item, describe=describe)

    def load(self, entry: Entry, mode: MmapMode | Inherit = INHERIT, codec: codecs.Choice | None = None) -> Any:
        """The value of an entry. Raises whatever keeps it from being loaded."""
        return codecs.read(entry, self.mode(mode), codec or self.codec, self.settings.pickle)

    def mode(self, mode: MmapMode | Inherit) -> MmapMode:
        """How arrays come back."""
        return self.settings.mmap_mode if mode is INHERIT else mode

    def save(self, key: Key, value: object, labels: Labels, codec: codecs.Choice | None = None) -> None:
        """Puts a value, replacing what is there. Raises whatever keeps it from being stored."""
        self.put(key, self.filler(value, codec), labels)

    def filler(self, value: object, codec: codecs.Choice | None = None) -> Callable[[Writer], None]:
        """What gives the value to a writer."""
        return lambda writer: codecs.write(writer, value, codec or self.codec, self.settings.pickle)

    def put(
        self,
        key: Key,
        fill: Callable[[Writer], object],
        labels: Labels,
        expect: Literal["any", "absent"] | Info = "any",
    ) -> bool:
        """Puts what `fill` gives to the writer; whether what was there was what was expected."""
        self.renew()
        writer = self.core.writer(key)
        labels.write(writer)
        fill(writer)
        return writer.put(expect=expect) is not None

    def expiry(self, expire: Seconds | Inherit | None) -> float | None:
        """So many seconds, or never."""
        if expire is INHERIT:
            return self.settings.expire
        return None if expire is None else seconds(expire)

    def tags(self, tag: str | Iterable[str] | Inherit | None) -> tuple[str, ...]:
        """The tags that a value is given."""
        return self.settings.tags if tag is INHERIT else tuple_of(tag)


@lru_cache(maxsize=64)
def shared(settings: Settings, namespace: str) -> Handle:
    """One handle for all that comes to this process from others, and wants the same place."""
    return Handle(settings, namespace)


class _Inner(Handle):
    """Counts in a namespace nested in that of another handle, and shares all else with it."""

    def __init__(self, outer: Handle, name: str, namespace: str) -> None:
        super().__init__(outer.settings, namespace)
        self._root: Handle = outer.root
        self._name: str = f"{outer._name}/{name}" if isinstance(outer, _Inner) else name
        self._cores: tuple[Core | None, Core | None] = (None, None)

    @property
    def root(self) -> Handle:
        return self._root

    @property
    def core(self) -> Core:
        of, core = self._cores
        return core if core is not None and of is self._root.opened else self._join()

    def _join(self) -> Core:
        """Finds the namespace in the store as it is open now."""
        root = self._root.core
        core = root.sub(self._name)
        self._cores = root, core
        return core

    def open(self) -> Core:
        self._root.open()
        return self.core

    def renew(self) -> bool:
        return self._root.renew()

    def switch(self, enabled: bool) -> None:
        self._root.switch(enabled)

    def flush(self) -> None:
        self._root.flush()


def _place(directory: str) -> tuple[int, int] | None:
    """What tells a directory from another of its name; None if there is none. An open store keeps its own from being used
    again."""
    try:
        status = os.stat(directory)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def tuple_of(tag: str | Iterable[str] | None) -> tuple[str, ...]:
    """One tag, several, or none."""
    if tag is None:
        return ()
    return (tag,) if isinstance(tag, str) else tuple(tag)
