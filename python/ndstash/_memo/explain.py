"""Why a call is not stored, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ndstash import _show
from ndstash._core import Key
from ndstash._info import EntryInfo


@dataclass(frozen=True)
class Neighbour:
    """A stored call, and in what it differs from the one that was asked for."""

    entry: EntryInfo
    """What is stored."""
    differences: Sequence[dict[str, Any]]
    """Each with `part`, `here` (as it was asked for) and `there` (as it is stored)."""

    def __str__(self) -> str:
        lines = [f"{entry_name(self.entry)}, put {self.entry.created:%Y-%m-%d %H:%M:%S} UTC"]
        for difference in self.differences:
            lines.append(f"    {difference['part']}: {difference['here']} here, {difference['there']} there")
        return "\n".join(lines)


@dataclass(frozen=True)
class Explanation:
    """Whether a call is stored, and which stored calls come nearest to it."""

    key: Key
    """The key of the call."""
    reason: str
    """What is with the call itself."""
    nearest: Sequence[Neighbour]
    """The stored calls that differ in the fewest parts, the nearest first."""

    def __str__(self) -> str:
        return "\n".join([self.reason, *map(str, self.nearest)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            (entry_name(neighbour.entry), str(each["part"]), str(each["here"]), str(each["there"]))
            for neighbour in self.nearest
            for each in neighbour.differences
        ]
        return _show.html_of_table(self.reason, ("nearest call", "part", "here", "there"), rows)


def entry_name(entry: EntryInfo) -> str:
    """What a stored call is called."""
    return _show.title(entry._info)
