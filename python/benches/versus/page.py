"""The page docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from textwrap import fill

from versus.measure import Kind
from versus.report import Comparison, Target, number, shown

COLUMNS = 120
HEAD = """\
# How fast it is

ndstash beside what people use today, and beside the machine's own limit, on the same work. This page was written by the
command that measured it, on {date}:

```sh
{command}
```
"""
READING = """\
## How to read it

In each comparison all take turns, round by round, each round in another order, so that whatever disturbs the machine
disturbs them all. A figure is the median of the rounds, with the fastest and the slowest beside it; what is quick is called
many times in each round. A ratio is that of two medians: above 1, ndstash is better.

Noise: other programs, the disk and the host of a virtual machine take time from whoever runs at that moment. Where fastest
and slowest lie far apart, the median may move by as much as they do from run to run; then a ratio between 0.8 and 1.25
says "the same", and a target missed by that much may be met in the next run. Memory and bytes on disk hardly move; what
waits for the disk moves most, up to tenfold on a disk that others use too. Where the load average in the last table is above
the number of cores, others took their part all the time, and medians tell little: look at the fastest too, and measure again
on a quiet machine. All that is read is in the page cache.

"The best peer" is the quickest, or smallest, that does the same work. Rows in *italics* are no peers: they are the limit,
or do less (nothing synced, nothing on disk, no key made), and say so.
"""


def text(compared: Sequence[Comparison], facts: Sequence[tuple[str, str]], command: str, picture: str | None) -> str:
    """The page, as Markdown."""
    date = datetime.now(UTC).date().isoformat()
    parts = [HEAD.format(date=date, command=command), "\n".join(summary(compared))]
    if picture:
        parts.append(f"![How many times ndstash's time or space the peers take]({picture})\n")
    parts += [READING, *("\n".join(section(found)) for found in compared), "\n".join(machine(facts))]
    return "\n".join(parts)


def summary(compared: Sequence[Comparison]) -> Iterator[str]:
    yield "## In short\n"
    yield "| work | ndstash | best peer | | peer / ndstash | targets |"
    yield "|---|---:|---|---:|---:|---|"
    for found in compared:
        own = shown(found.own.figure.median, found.unit)
        peer = ["none", "", ""]
        if best := found.best_peer:
            peer = [best.name, shown(best.figure.median, found.unit), found.ratio_shown(best)]
        yield line([found.title, own, *peer, verdict(found.targets)])
    yield ""


def verdict(targets: Sequence[Target]) -> str:
    missed = [f"**MISSED**: {target.text}" for target in targets if not target.met]
    return ", ".join(missed) or ("met" if targets else "none")


def section(found: Comparison) -> Iterator[str]:
    yield f"## {found.title[0].upper()}{found.title[1:]}\n"
    yield fill(found.how, COLUMNS) + "\n"
    yield "| | median | fastest .. slowest | times ndstash |" if found.unit == "seconds" else "| | | times ndstash |"
    yield "|---|---:|---:|---:|" if found.unit == "seconds" else "|---|---:|---:|"
    for row in sorted(found.rows, key=lambda row: row.figure.median):
        mark = {Kind.OWN: "**", Kind.PEER: "", Kind.ASIDE: "*"}[row.kind]
        figure = row.figure
        cells = [f"{mark}{row.name}{mark}", shown(figure.median, found.unit)]
        if found.unit == "seconds":
            cells.append(f"{shown(figure.low, found.unit)} .. {shown(figure.high, found.unit)}")
        yield line([*cells, found.ratio_shown(row)])
    yield ""
    if found.targets:
        yield "| target | wanted | measured | |"
        yield "|---|---:|---:|---|"
        for target in found.targets:
            wanted = f"{'at least' if target.at_least else 'at most'} {target.bound:g}"
            yield line([target.text, wanted, number(target.value), "met" if target.met else "**MISSED**"])
        yield ""


def machine(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "## The machine\n"
    yield "| | |"
    yield "|---|---|"
    for fact in facts:
        yield line(fact)
    yield ""


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
