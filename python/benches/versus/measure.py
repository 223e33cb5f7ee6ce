"""Measures: times of works that take turns, bytes on disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random

MIB = 1 << 20

# A single call is timed as often as fits in this, so that the clock and one interruption count for little.
TIMED_SECONDS = 0.05
MOST_CALLS = 1000


class Kind(Enum):
    """What a line of a table is."""

    OWN = "ndstash"
    PEER = "peer"
    ASIDE = "aside"  # the machine's limit, or work that is not the same: never the best peer


@dataclass(frozen=True)
class Figure:
    """What was measured in all rounds."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Figure:
        return Figure(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Work:
    """Something to be timed. Its first call is not: it makes what later ones find."""

    name: str
    call: Callable[[], object]
    kind: Kind = Kind.PEER


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    name: str
    figure: Figure
    kind: Kind = Kind.PEER


def times(works: Sequence[Work], rounds: int, *, before: Callable[[], object] | None = None) -> list[Row]:
    """The seconds that a call of each takes. All take turns, in another order each round: what one leaves for the next to
    bear does not always fall on the same. `before` is done before each, and not timed; then one call is timed at once."""
    calls = {work.name: 1 if before else _calls_to_time(work) for work in works}
    seconds: dict[str, list[float]] = {work.name: [] for work in works}
    order = list(works)
    for number in range(rounds):
        Random(number).shuffle(order)
        for work in order:
            if before is not None:
                before()
            seconds[work.name].append(_seconds(work, calls[work.name]))
    return [Row(work.name, Figure.of(seconds[work.name]), work.kind) for work in works]


def _calls_to_time(work: Work) -> int:
    work.call()
    return max(1, min(MOST_CALLS, int(TIMED_SECONDS / _seconds(work, 1))))


def _seconds(work: Work, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work.call()
    return (time.perf_counter() - start) / calls


def disk_bytes(path: Path) -> int:
    """What the files of a directory take on the disk, each once, however many names it has."""
    files = {(found.st_dev, found.st_ino): found for found in (file.stat() for file in path.rglob("*") if file.is_file())}
    return sum(found.st_blocks * 512 for found in files.values())
