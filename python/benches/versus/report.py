"""The result of a comparison, and its text for people who watch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from versus.measure import Kind, Row

# Smaller numbers are not told apart.
LEAST = 0.001
# Less memory than this is noise.
LITTLE_MIB = 0.5

Unit = Literal["seconds", "MiB", "copies"]


@dataclass(frozen=True)
class Target:
    """What a figure should be."""

    text: str
    value: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        word = "at least" if self.at_least else "at most"
        return f"{self.text}: {number(self.value)} [{word} {self.bound:g}: {'met' if self.met else 'MISSED'}]"


@dataclass
class Comparison:
    """One table: the same work done by ndstash and by others. Its first row is ndstash's."""

    title: str
    how: str
    unit: Unit
    rows: list[Row]
    targets: list[Target] = field(default_factory=list)

    @property
    def own(self) -> Row:
        return self.rows[0]

    @property
    def best_peer(self) -> Row | None:
        peers = [row for row in self.rows if row.kind is Kind.PEER]
        return min(peers, key=lambda row: row.figure.median, default=None)

    def named(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    def ratio(self, row: Row) -> float:
        """How many times ndstash's figure that of another is."""
        return row.figure.median / self.own.figure.median

    def ratio_shown(self, row: Row) -> str:
        """Nothing, where ndstash needs next to nothing."""
        return "" if self.unit == "MiB" and self.own.figure.median < LITTLE_MIB else number(self.ratio(row))

    def want_ratio(self, name: str, bound: float) -> None:
        """Wants a figure that many times below another one, if that was measured."""
        if row := self.named(name):
            self.targets.append(Target(f"{name} / ndstash", self.ratio(row), bound, at_least=True))

    def want_ratio_to(self, name: str, own: str, bound: float) -> None:
        """The same of another row of ndstash's."""
        if (row := self.named(name)) and (to := self.named(own)):
            value = row.figure.median / to.figure.median
            self.targets.append(Target(f"{name} / {own}", value, bound, at_least=True))

    def want_at_most(self, text: str, value: float, bound: float) -> None:
        self.targets.append(Target(text, value, bound, at_least=False))

    def lines(self) -> Iterator[str]:
        yield self.title
        yield f"{'':<75}times ndstash"
        for row in sorted(self.rows, key=lambda row: row.figure.median):
            figure, unit = row.figure, self.unit
            span = "" if figure.low == figure.high else f"{shown(figure.low, unit)} .. {shown(figure.high, unit)}"
            yield f"  {row.name:<36}{shown(figure.median, unit):>10}  {span:<24}{self.ratio_shown(row):>12}"
        for target in self.targets:
            yield f"  {target}"


def shown(value: float, unit: Unit) -> str:
    """A figure with its unit."""
    if unit == "copies":
        return f"{value:.2f}"
    if unit == "MiB":
        return f"{value:.1f} MiB"
    for name, scale in (("s", 1.0), ("ms", 1e3)):
        if value * scale >= 1:
            return f"{number(value * scale)} {name}"
    return f"{number(value * 1e6)} us"


def number(value: float) -> str:
    """Three digits, without an exponent."""
    if 0 < value < LEAST:
        return f"< {LEAST}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
