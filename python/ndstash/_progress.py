"""How far a long work is, for whoever looks at the terminal or the notebook; by tqdm, if it is there.

Nothing is shown where nobody looks: in logs, pipes, and continuous integration; nor of work that is soon done, nor where
`Cache(progress=False)` says so.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from math import inf
from time import monotonic
from typing import Any, Literal, Protocol, TextIO, TypeVar

from ndstash._show import size

T = TypeVar("T")

Show = Callable[[int, int | None], object]
"""Gets how much is done, and how much there is, if that is known."""

Unit = Literal["B", "entries", "calls"]

PATIENCE = 0.5
"""What takes fewer seconds is not shown."""


def is_watched(stream: TextIO) -> bool:
    """Whether somebody looks at a stream: in a terminal, or in a notebook."""
    if os.environ.get("CI") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty() or _in_notebook()


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


@contextmanager
def progress(label: str, unit: Unit, wanted: bool = True) -> Iterator[Show | None]:
    """What is to be told how far the work is; None if nobody wants to know."""
    if not wanted or not is_watched(sys.stderr):
        yield None
        return
    shown = _Shown(label, unit)
    try:
        yield shown.show
    finally:
        shown.close()


def through(items: Iterable[T], label: str, unit: Unit, total: int | None = None, wanted: bool = True) -> Iterator[T]:
    """The items, with word of how many have been gone through."""
    with progress(label, unit, wanted) as show:
        for done, item in enumerate(items, 1):
            yield item
            if show is not None:
                show(done, total)


class Bar(Protocol):
    """Something that people see."""

    def show(self, done: int, total: int | None) -> None:
        """How much is done, and how much there is, if that is known."""

    def close(self) -> None:
        """It is over."""


class _Shown:
    """A bar that appears when the work turns out to be long."""

    def __init__(self, label: str, unit: Unit) -> None:
        self.label, self.unit, self.start = label, unit, monotonic()
        self.bar: Bar | None = None

    def show(self, done: int, total: int | None) -> None:
        if self.bar is None:
            if monotonic() - self.start < PATIENCE:
                return
            self.bar = _tqdm(self.label, self.unit) or _Line(self.label, self.unit, sys.stderr)
        self.bar.show(done, total)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar, self.start = None, inf


class _Line:
    """A line that is written over and over."""

    def __init__(self, label: str, unit: Unit, stream: TextIO) -> None:
        self.label, self.unit, self.stream, self.last = label, unit, stream, ""

    def show(self, done: int, total: int | None) -> None:
        text = f"{self.label}: {self._text(done, total)}"
        if text != self.last:
            self.stream.write(f"\r{text}")
            self.stream.flush()
            self.last = text

    def _text(self, done: int, total: int | None) -> str:
        if total is None:
            return self._amount(done)
        return f"{100 * done // total if total else 100:3d} % of {self._amount(total)}"

    def _amount(self, count: int) -> str:
        return size(count) if self.unit == "B" else f"{count} {self.unit}"

    def close(self) -> None:
        self.stream.write("\n")


class _Tqdm:
    """A bar of tqdm."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def show(self, done: int, total: int | None) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        self.bar.close()


def _tqdm(label: str, unit: Unit) -> Bar | None:
    try:
        tqdm = import_module("tqdm.auto").tqdm
    except ImportError:
        return None
    scale = {"unit": "B", "unit_scale": True, "unit_divisor": 1024} if unit == "B" else {"unit": f" {unit}"}
    return _Tqdm(tqdm(desc=label, leave=False, **scale))
