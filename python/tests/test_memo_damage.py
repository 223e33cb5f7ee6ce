"""Damage: what is not as it was stored is not handed out."""

import os
from collections.abc import Callable
from pathlib import Path

import jobs
import pytest

import ndstash


def the_blob(cache: ndstash.Cache) -> Path:
    """The file of the only large array."""
    (path,) = Path(cache.directory, "blobs").glob("*/*")
    os.chmod(path, 0o600)
    return path


def flip_a_byte(path: Path) -> None:
    """Changes a payload."""
    with open(path, "r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 1]))


def cut_short(path: Path) -> None:
    """Takes the end away."""
    os.truncate(path, os.path.getsize(path) // 2)


DAMAGE = {
    "payload byte flipped": flip_a_byte,
    "value file cut short": cut_short,
    "value file missing, manifest present": os.unlink,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("mode", ["r", "c", None])
def test_a_damaged_result_is_computed_anew(tmp_path: Path, damage: Callable[[Path], None], mode: str | None) -> None:
    cache = ndstash.Cache(tmp_path / "c", mmap_mode=mode)
    f = cache.memoize(jobs.large, name="f", version="1")
    assert f(1).sum() == 1_000_000
    damage(the_blob(cache))
    assert f(1).sum() == 1_000_000
    stats = f.stats()
    assert (stats.hits, stats.misses, stats.damaged) == (0, 2, damage is not os.unlink)
    assert f(1).sum() == 1_000_000 and f.stats().hits == 1


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_item_is_not_there(cache: ndstash.Cache, damage: Callable[[Path], None]) -> None:
    cache["a"] = jobs.large(1)
    damage(the_blob(cache))
    assert cache.get("a", "nothing") == "nothing"
    assert cache.stats().damaged == (damage is not os.unlink)
    cache["a"] = jobs.large(2)
    assert cache["a"].sum() == 2_000_000 and cache.check() == []


@pytest.mark.parametrize("at", [0, 9, 40, 200, -1])
def test_a_damaged_manifest_is_a_miss(cache: ndstash.Cache, at: int) -> None:
    f = cache.memoize(jobs.square, name="f", version="1")
    f(3)
    (path,) = Path(cache.directory, "entries").glob("*/*")
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    os.chmod(path, 0o600)
    path.write_bytes(data)
    assert not f.cached(3)
    assert f(3) == 9 and f(3) == 9
    assert f.stats().misses == 2


def test_check_finds_and_repairs(cache: ndstash.Cache) -> None:
    cache["a"] = jobs.large(1)
    path = the_blob(cache)
    times = os.stat(path)
    flip_a_byte(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert any(path.name[:8] in problem for problem in cache.check())
    assert cache.check(fix=True) != [] and cache.check() == []
    assert "a" not in cache


def test_a_pickle_that_others_may_write_is_not_loaded(cache: ndstash.Cache) -> None:
    cache["plain"], cache["object"] = [1], Path("x")
    f = cache.memoize(lambda: Path("x"), name="f", version="1")
    f()
    for folder, _, _ in os.walk(cache.directory):
        os.chmod(folder, 0o777)
    assert cache["plain"] == [1]
    with pytest.raises(ndstash.errors.Untrusted, match=r"may be written by others.*pickle="):
        cache["object"]
    with pytest.warns(ndstash.NdstashWarning, match="f has a result that cannot be used"):
        assert f() == Path("x")
    assert ndstash.Cache(cache.directory, pickle="always")["object"] == Path("x")
