"""What came over from another cache, and what did not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ndstash._progress import progress
from ndstash._show import size


@dataclass
class Report:
    """Counts entries: those that came over, those that were there already and stay, those whose time was over; and says of
    the others why they were left."""

    into: str
    imported: int = 0
    present: int = 0
    expired: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    bytes_before: int = 0
    bytes_after: int = 0
    _tell: Callable[[], object] | None = field(default=None, init=False, repr=False)

    @contextmanager
    def shown(self, total: int, wanted: bool) -> Iterator[None]:
        """Shows meanwhile how many of all entries are done with, if somebody looks."""
        with progress("importing", "entries", wanted) as show:
            if show is not None:
                self._tell = lambda: show(self.imported + self.present + self.expired + len(self.left), total)
            yield
            self._tell = None

    @contextmanager
    def entry(self, name: str) -> Iterator[None]:
        """Whatever is wrong with one entry is said of it, and keeps none of the others."""
        try:
            yield
        except Exception as error:
            self.leave(name, str(error) or type(error).__name__)
        if self._tell is not None:
            self._tell()

    def leave(self, name: str, reason: str) -> None:
        """Something did not come over."""
        self.left.append((name, reason))

    def count(self, new: bool) -> None:
        """An entry is there now: since now, or since before."""
        self.imported += new
        self.present += not new

    def __str__(self) -> str:
        lines = [f"{self.imported} entries imported into {self.into}"]
        if self.present:
            lines.append(f"{self.present} were there already, and stay as they are")
        if self.expired:
            lines.append(f"{self.expired} left out: their time is over")
        if self.left:
            lines.append(f"{len(self.left)} left out:")
            lines += [f"  {name}: {reason}" for name, reason in self.left]
        if self.bytes_before:
            lines.append(f"files: {size(self.bytes_before)} before, {size(self.bytes_after)} now")
        return "\n".join(lines)
