"""Deferred durability: there at once, on disk behind. What power loss does is tested in the core."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ndstash
from ndstash._core import Invalid, Store

CERTIFIED, UNCERTIFIED = 0o444, 0o544


def modes(directory: Path) -> set[int]:
    """The modes of all entries and blobs."""
    return {os.stat(path).st_mode & 0o7777 for kind in ("entries", "blobs") for path in (directory / kind).glob("*/*")}


def test_a_cache_defers_and_a_flush_puts_all_on_disk(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path)
    cache["a"] = np.arange(100_000)
    assert modes(tmp_path) == {UNCERTIFIED}
    assert ndstash.Cache(tmp_path)["a"].sum() == np.arange(100_000).sum()
    cache.flush()
    assert modes(tmp_path) == {CERTIFIED}


def test_full_is_on_disk_at_once(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path, durability="full")
    cache["a"] = np.arange(100_000)
    assert modes(tmp_path) == {CERTIFIED}
    cache.flush()


def test_a_part_of_a_cache_flushes_all_of_it(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path)
    part = cache.sub("part")
    part["a"] = 1
    part.flush()
    assert modes(tmp_path) == {CERTIFIED}


def test_closing_puts_all_on_disk(tmp_path: Path) -> None:
    with ndstash.Cache(tmp_path) as cache:
        cache["a"] = 1
        assert modes(tmp_path) == {UNCERTIFIED}
    assert modes(tmp_path) == {CERTIFIED}


def test_a_memoized_function_defers(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path)

    @cache.memoize
    def ones(n: int) -> np.ndarray:
        return np.ones(n)

    assert ones(50_000).sum() == 50_000
    assert modes(tmp_path) == {UNCERTIFIED}
    assert ones(50_000).sum() == 50_000
    assert ones.stats().hits == 1


def test_the_end_of_a_process_puts_all_on_disk(tmp_path: Path) -> None:
    code = "import sys, ndstash; cache = ndstash.Cache(sys.argv[1]); cache['a'] = 1; print(cache['a'])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"
    assert modes(tmp_path) == {CERTIFIED}


def test_a_process_that_dies_loses_nothing(tmp_path: Path) -> None:
    code = "import os, sys, ndstash; cache = ndstash.Cache(sys.argv[1]); cache['a'] = [1, 2]; os._exit(3)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 3
    assert modes(tmp_path) == {UNCERTIFIED}
    assert ndstash.Cache(tmp_path)["a"] == [1, 2]


def test_what_is_not_on_disk_yet_travels_without_being_written_again(tmp_path: Path) -> None:
    from ndstash._travel.reference import reference

    cache = ndstash.Cache(tmp_path)
    cache["a"] = np.arange(1 << 18)
    before = {path: path.stat().st_ino for path in (tmp_path / "blobs").glob("*/*")}
    reduced = reference(cache["a"])
    assert reduced is not None
    arrive, arguments = reduced
    arrived = arrive(*arguments)
    assert arrived.sum() == np.arange(1 << 18).sum() and not arrived.flags.writeable
    assert {path: path.stat().st_ino for path in (tmp_path / "blobs").glob("*/*")} == before


def test_what_is_no_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'full' or 'deferred', not 'none'"):
        ndstash.Cache(tmp_path, durability="none")  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="durability"):
        Store.open(tmp_path, durability="none")  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_puts_and_flushes_for_itself(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path)
    cache["parent's"] = 1
    child = os.fork()
    if child == 0:
        code = 1
        try:
            cache["child's"] = 2
            ndstash.Cache(tmp_path)["also the child's"] = 3
            cache.flush()
            found = [os.stat(path).st_mode & 0o7777 for path in (tmp_path / "entries").glob("*/*")]
            code = 0 if sorted(found) == [CERTIFIED, CERTIFIED, UNCERTIFIED] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    cache.flush()
    assert modes(tmp_path) == {CERTIFIED}
    assert sorted(cache.values()) == [1, 2, 3]
