"""What people see."""

import io
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import ndstash
from ndstash import _show


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes(nbytes: int, text: str) -> None:
    assert _show.size(nbytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ns"), (2.5e-7, "250 ns"), (1.5e-5, "15 us"), (0.25, "250 ms"), (3, "3 s"), (61, "1 min 1 s"), (7290, "2 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert _show.duration(seconds) == text


def test_long_work_shows_how_far_it_is_in_a_terminal(cache: ndstash.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache["a"] = np.zeros(100_000)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert cache.check() == []
    assert "\rchecking: 100 %" in terminal.getvalue() and terminal.getvalue().endswith("\n")
    silent = io.StringIO()
    monkeypatch.setattr(sys, "stderr", silent)
    assert cache.check() == [] and silent.getvalue() == ""


def test_tqdm_is_used_if_it_is_there(cache: ndstash.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            self.n, self.total, self.open, self.options = 0, 0, True, options
            made.append(self)

        def update(self, more: int) -> None:
            self.n += more

        def close(self) -> None:
            self.open = False

    module: Any = ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    monkeypatch.setattr(sys, "stderr", Terminal())
    cache["a"] = np.zeros(100_000)
    cache.check()
    (bar,) = made
    assert bar.n == bar.total >= 800_000 and not bar.open and bar.options["desc"] == "checking"


def test_titles(cache: ndstash.Cache) -> None:
    function = cache.memoize(lambda x, y: x, name="f", version="1")
    function(1, "a" * 100)
    cache["key"] = 1
    cache[np.zeros(100_000)] = 2
    shown = sorted(repr(entry) for entry in cache.entries())
    assert shown[0].startswith("<['key']: ") and shown[2].startswith("<f(x=1, y='aaa") and "..." in shown[2]
    assert len(shown[1].split(":")[0]) == len("<[123456789012]")
