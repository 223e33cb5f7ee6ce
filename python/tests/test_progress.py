"""How far a long work is: shown to who looks, and to nobody else."""

import asyncio
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from diskcache import Cache as DiskCache
from klepto.archives import dir_archive, file_archive

import ndstash
from ndstash import _progress
from ndstash.importing import run


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What stood there, one after the other."""
        return [line for line in self.getvalue().replace("\n", "\r").split("\r") if line]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on a machine without tqdm, where everything takes long."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(_progress, "PATIENCE", 0.0)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    stream = Terminal()
    look_at(stream, monkeypatch)
    return stream


def look_at(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes it the stderr of the module alone: pytest puts its own in the place of that of the process."""
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=stream, modules=sys.modules))


def double(x: int) -> int:
    return 2 * x


async def double_later(x: int) -> int:
    return 2 * x


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_a_check_shows_bytes(cache: ndstash.Cache, terminal: Terminal) -> None:
    cache["a"] = np.zeros(100_000)
    assert cache.check() == []
    assert terminal.lines[-1].startswith("checking: 100 % of 78") and terminal.getvalue().endswith("\n")


def test_many_calls_show_how_many_are_done(cache: ndstash.Cache, terminal: Terminal) -> None:
    function = cache.memoize(name="double")(double)
    function(3)
    assert function.map([1, 2, 3, 3]) == [2, 4, 6, 6]
    assert terminal.lines == [f"double: {percent:3d} % of 4 calls" for percent in (25, 50, 75, 100)]


def test_many_calls_in_an_executor_show_how_many_are_done(cache: ndstash.Cache, terminal: Terminal) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert cache.memoize(name="double")(double).map(range(4), executor) == [0, 2, 4, 6]
    assert terminal.lines == [f"double: {percent:3d} % of 4 calls" for percent in (25, 50, 75, 100)]


def test_many_awaited_calls_show_how_many_are_done(cache: ndstash.Cache, terminal: Terminal) -> None:
    assert asyncio.run(cache.memoize(name="double")(double_later).map([1, 2])) == [2, 4]
    assert terminal.lines == ["double:  50 % of 2 calls", "double: 100 % of 2 calls"]


def test_a_call_that_fails_ends_the_line(cache: ndstash.Cache, terminal: Terminal) -> None:
    with pytest.raises(ZeroDivisionError):
        cache.memoize(lambda x: 1 // x, version="1", name="f").map([1, 0])
    assert terminal.getvalue() == "\rf:  50 % of 2 calls\n"


def test_removing_by_a_condition_of_the_caller_shows_a_count(cache: ndstash.Cache, terminal: Terminal) -> None:
    cache.update(a=1, b=2)
    assert cache.find(where=lambda entry: True).invalidate() == 2
    assert cache.find(where=lambda entry: True).forget() == 2
    assert terminal.lines == [f"{what}: {n} entries" for what in ("invalidating", "removing") for n in (1, 2)]


@pytest.mark.parametrize("kind", ["diskcache", "directory", "file", "joblib"])
def test_an_import_shows_entries(tmp_path: Path, kind: str, terminal: Terminal) -> None:
    old = str(tmp_path / "old")
    if kind == "diskcache":
        with DiskCache(old) as disk:
            disk["a"], disk["b"] = 1, 2
    elif kind == "joblib":
        import joblib

        function = joblib.Memory(old, verbose=0).cache(double)
        function(1), function(2)
    else:
        (dir_archive if kind == "directory" else file_archive)(old, {"a": 1, "b": 2}, cached=False)
    name = "klepto" if kind in ("directory", "file") else kind
    assert run([name, old]) == 0
    assert terminal.lines[:2] == ["importing:  50 % of 2 entries", "importing: 100 % of 2 entries"]
    before = terminal.getvalue()
    assert run([name, old, "--no-progress"]) == 0
    assert terminal.getvalue() == before


def test_tqdm_is_used_if_it_is_there(
    cache: ndstash.Cache, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            self.n, self.total, self.open, self.options = 0, None, True, options
            made.append(self)

        def update(self, more: int) -> None:
            self.n += more

        def close(self) -> None:
            self.open = False

    module: Any = ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    cache["a"] = np.zeros(100_000)
    cache.check()
    cache.memoize(double).map([1, 2])
    cache.find(where=lambda entry: True).forget()
    check, calls, entries = made
    assert check.n == check.total >= 800_000 and check.options["desc"] == "checking" and check.options["unit_scale"]
    assert calls.n == calls.total == 2 and calls.options["unit"] == " calls"
    assert entries.n == 3 and entries.total is None
    assert not any(bar.open for bar in made) and not terminal.getvalue()


# --- who looks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["log", "CI", "dumb", "short", "option"])
def test_nothing_is_shown_otherwise(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    stream: io.StringIO = terminal
    if reason == "log":
        stream = io.StringIO()
        look_at(stream, monkeypatch)
    elif reason == "CI":
        monkeypatch.setenv("CI", "true")
    elif reason == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    elif reason == "short":
        monkeypatch.setattr(_progress, "PATIENCE", 60.0)
    cache = ndstash.Cache(tmp_path / "cache", progress=reason != "option")
    cache["a"] = np.zeros(100_000)
    assert cache.check() == []
    assert cache.memoize(double).map([1, 2]) == [2, 4]
    assert cache.find(where=lambda entry: True).forget() == 3
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("shell", "watched"), [(SimpleNamespace(kernel=None), True), (SimpleNamespace(), False), (None, False)])
def test_a_notebook_is_looked_at(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, shell: object, watched: bool
) -> None:
    ipython: Any = ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert _progress.is_watched(io.StringIO()) is watched


def test_what_comes_after_the_end_is_not_shown(terminal: Terminal) -> None:
    with _progress.progress("work", "entries") as show:
        assert show is not None
        show(1, 2)
    show(2, 2)
    assert terminal.getvalue() == "\rwork:  50 % of 2 entries\n"
