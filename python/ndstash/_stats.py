"""How often a cache could help, and what it saved."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

from ndstash import _show
from ndstash._core import Cache as Core


@dataclass(frozen=True)
class Stats:
    """Counts over all processes; of others, up to a few seconds old. Unpacks as `hits, misses`.

    >>> import ndstash
    >>> cache = ndstash.Cache("results")
    >>> cache.get("nothing")
    >>> hits, misses = cache.stats()
    >>> hits, misses
    (0, 1)
    """

    hits: int = 0
    """Values that were found."""
    misses: int = 0
    """Values that were asked for and not there."""
    stale: int = 0
    """Those of the hits whose time was over."""
    damaged: int = 0
    """Values that were there and not what they were when they were stored; they count as misses, too."""
    failures: int = 0
    """Keys that could not be made, values that could not be loaded or stored, locks that were not to be had."""
    refused: int = 0
    """Values that were not stored: too large, or not to be kept."""
    saved_seconds: float = 0.0
    """The time that hits took to compute when they were computed."""
    computed_seconds: float = 0.0
    """The time that computing took."""
    new_bytes: int = 0
    """Bytes of arrays that were written."""
    shared_bytes: int = 0
    """Bytes of arrays that were stored already, and not written again."""

    @classmethod
    def of(cls, core: Core) -> Self:
        """What a cache of the core has counted."""
        count = core.stats()
        seconds = {f"{name}_seconds": count.pop(f"{name}_ns") / 1e9 for name in ("saved", "computed")}
        return cls(**count, **seconds)  # type: ignore[arg-type]

    @property
    def hit_rate(self) -> float:
        """The part of requests that were hits; 0.0 if there were none."""
        return self.hits / (self.hits + self.misses) if self.hits else 0.0

    def since(self, before: Self) -> Self:
        """What was counted since."""
        names = [field.name for field in fields(self)]
        return type(self)(**{name: getattr(self, name) - getattr(before, name) for name in names})

    def __iter__(self) -> Iterator[int]:
        return iter((self.hits, self.misses))

    def _repr_html_(self) -> str:
        return _show.html_of_pairs("stats", _show.stats_rows(self))

    def __str__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in _show.stats_rows(self))
