"""References to results: small, and at home in every process."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ndstash._core import Cache as Core
from ndstash._core import Key, MmapMode
from ndstash._handle import INHERIT, Inherit, Settings, shared

R_co = TypeVar("R_co", covariant=True)


class Ref(Generic[R_co]):
    """Stands for a result that is stored: a few hundred bytes that can be sent to other processes, and loaded there.

    >>> import ndstash
    >>> cache = ndstash.Cache("results")
    >>> @cache.memoize
    ... def square(x):
    ...     return x * x
    >>> ref = square.ref(12)
    >>> ref.get()
    144
    """

    __slots__ = ("_held", "_namespace", "_settings", "key")

    def __init__(self, settings: Settings, namespace: str, key: Key | None, *held: R_co) -> None:
        self._settings = settings
        self._namespace = namespace
        self._held = held
        self.key = key

    @property
    def _core(self) -> Core:
        return shared(self._settings, self._namespace).core

    def get(self, mmap_mode: MmapMode | Inherit = INHERIT) -> R_co:
        """The result. Raises KeyError if it is not there any more, and whatever else keeps it from being loaded.

        Where the result could not be stored, the reference holds it.
        """
        if self._held or self.key is None:
            return self._held[0]
        entry = self._core.look(self.key)
        if entry is None:
            raise KeyError(self.key)
        value: R_co = shared(self._settings, self._namespace).load(entry, mmap_mode)
        self._core.note_hit(entry)
        return value

    def exists(self) -> bool:
        """Whether the result can be had."""
        return bool(self._held) or (self.key is not None and self._core.contains(self.key))

    def forget(self) -> bool:
        """Removes the result from the store; whether it was there."""
        return self.key is not None and self._core.forget(self.key)

    def __ndstash_key__(self) -> object:
        return "ndstash.Ref", self._held[0] if self.key is None else self.key.digest

    def __reduce__(self) -> tuple[Callable[..., "Ref[Any]"], tuple[Any, ...]]:
        return Ref, (self._settings, self._namespace, self.key, *self._held)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ref) or self.key is None:
            return self is other
        return (self.key, self._settings) == (other.key, other._settings)

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        if self.key is None:
            return f"<reference that holds {type(self._held[0]).__qualname__}>"
        return f"<reference to {self.key.digest[:12]} in {self._settings.directory!r}>"
