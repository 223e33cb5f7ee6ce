"""The plot of the page: how many times ndstash's time or space the peers take."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from versus.measure import Kind, Row
from versus.report import Comparison, number

INCHES_OF_A_BAR = 0.24
COLOURS = {"best peer": "#4c72b0", "joblib": "#dd8452"}


def draw(compared: Sequence[Comparison], path: Path) -> bool:
    """Draws a bar for the best peer of each comparison, and one for joblib where that is another. False without matplotlib."""
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ImportError:
        return False
    # Text stays text, and the same figures make the same file.
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ndstash", "font.size": 9})
    pyplot = importlib.import_module("matplotlib.pyplot")
    # A figure of memory near zero makes no ratio worth seeing.
    groups = [(found, bars(found)) for found in compared if found.unit != "MiB" and bars(found)]
    height = sum(len(each) + 1 for _, each in groups) * INCHES_OF_A_BAR
    figure, axes = pyplot.subplots(figsize=(10, height + 1.2), layout="constrained")
    place, ticks = 0.0, []
    for found, each in groups:
        ticks.append((place + (len(each) - 1) / 2, found.title))
        for kind, row in each:
            ratio = found.ratio(row)
            axes.barh(place, ratio - 1, left=1, color=COLOURS[kind], height=0.85)
            label = f" {number(ratio)}  {row.name} "
            axes.text(ratio, place, label, va="center", ha="left" if ratio >= 1 else "right", fontsize=8)
            place += 1
        place += 1
    finish(axes, ticks)
    patch = importlib.import_module("matplotlib.patches").Patch
    axes.legend(handles=[patch(color=colour, label=kind) for kind, colour in COLOURS.items()], frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return True


def bars(found: Comparison) -> list[tuple[str, Row]]:
    best = found.best_peer
    made = [("best peer", best)] if best else []
    of_joblib = [row for row in found.rows if "joblib" in row.name and row.kind is Kind.PEER]
    if of_joblib and best not in of_joblib:
        made.append(("joblib", min(of_joblib, key=lambda row: row.figure.median)))
    return made


def finish(axes: Any, ticks: Sequence[tuple[float, str]]) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    # Room for the words at the ends of the bars.
    axes.set_xlim(min(low, 0.5) / 12, high * 12)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_yticks([place for place, _ in ticks], [fill(title, 44) for _, title in ticks])
    axes.set_xlabel("peer / ndstash: right of 1, ndstash is quicker or smaller")
    axes.grid(axis="x", linewidth=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
