"""`ndstash import klepto`."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from klepto import inf_cache
from klepto.archives import dir_archive, file_archive, sqltable_archive

import ndstash
from ndstash.importing import run

ITEMS: dict[Any, Any] = {
    "text": "value",
    "with-dash": {"a": [1, 2]},
    1: 1,
    2.5: None,
    ("tuple", 1): (1, "b"),
    "array": np.arange(100_000.0),
    "same array": np.arange(100_000.0),
}


def imported(tmp_path: Path, *arguments: str) -> ndstash.Cache:
    """What came over from `old`."""
    assert run(["klepto", str(tmp_path / "old"), *arguments]) == 0
    return ndstash.Cache(tmp_path / "old.ndstash")


def assert_same(cache: ndstash.Cache, items: dict[Any, Any]) -> None:
    assert set(cache) == set(items)
    for key, value in items.items():
        assert type(cache[key]) is type(value) and np.array_equal(cache[key], value)


@pytest.mark.parametrize(
    "options",
    [{}, {"protocol": 2}, {"fast": True}, {"memmode": "r"}, {"compression": 3}],
    ids=["dill", "protocol", "fast", "memmode", "compressed"],
)
def test_a_directory_comes_over(tmp_path: Path, options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    old = dir_archive(str(tmp_path / "old"), ITEMS, cached=False, **options)
    new = imported(tmp_path)
    assert f"{len(ITEMS)} entries imported" in capsys.readouterr().out
    assert_same(new, ITEMS)
    arrays = [path.stat().st_size for path in (tmp_path / "old.ndstash" / "blobs").rglob("*") if path.is_file()]
    assert arrays.count(800_000) == 1
    assert len(old) == len(ITEMS)


def test_a_file_comes_over(tmp_path: Path) -> None:
    file_archive(str(tmp_path / "old"), ITEMS, cached=False)
    assert_same(imported(tmp_path), ITEMS)


def test_json_needs_no_trust(tmp_path: Path) -> None:
    items = {"a": [1, None, {"b": "c"}], "d-e": 2.5}
    dir_archive(str(tmp_path / "old"), items, cached=False, protocol="json")
    assert_same(imported(tmp_path, "--pickle", "never"), items)
    file_archive(str(tmp_path / "file"), items, cached=False, protocol="json")
    assert run(["klepto", str(tmp_path / "file"), "--into", str(tmp_path / "new"), "--pickle", "never"]) == 0
    assert_same(ndstash.Cache(tmp_path / "new"), items)


def test_what_a_function_stored_comes_over_under_the_keys_of_klepto(tmp_path: Path) -> None:
    @inf_cache(cache=dir_archive(str(tmp_path / "old"), cached=False))
    def square(x: int) -> int:
        return x * x

    assert square(3) == 9
    new = imported(tmp_path)
    assert list(new) == [square.key(3)] and new[square.key(3)] == 9


def test_the_time_of_an_entry_is_that_of_its_file(tmp_path: Path) -> None:
    old = dir_archive(str(tmp_path / "old"), {"b": 1, "a": 2}, cached=False)
    for key, time in {"b": 1_500_000_000, "a": 1_600_000_000}.items():
        os.utime(Path(old._getdir(key)) / "output.pkl", (time, time))
    new = imported(tmp_path)
    assert {entry.item: entry.created.timestamp() for entry in new.entries()} == {"b": 1.5e9, "a": 1.6e9}
    assert list(new) == ["b", "a"]


def test_what_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dir_archive(str(tmp_path / "old"), {"a": "old"}, cached=False)
    new = ndstash.Cache(tmp_path / "old.ndstash")
    new["a"] = "new"
    imported(tmp_path)
    assert "1 were there already" in capsys.readouterr().out and new["a"] == "new"


@pytest.mark.parametrize("archive", [dir_archive, file_archive])
def test_pickles_that_others_may_write_are_left(
    tmp_path: Path, archive: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    old = archive(str(tmp_path / "in" / "old"), {"a": 1}, cached=False)
    place = tmp_path / "in" / "old" if archive is file_archive else Path(old._getdir("a"))
    place.chmod(0o777)
    arguments = ["klepto", str(tmp_path / "in" / "old"), "--into", str(tmp_path / "new")]
    assert run(arguments) == 1
    said = capsys.readouterr().out
    assert "0 entries imported" in said and "may be written by others" in said
    assert run([*arguments, "--pickle", "never"]) == 1
    assert run([*arguments, "--pickle", "always"]) == 0
    assert ndstash.Cache(tmp_path / "new")["a"] == 1


def test_arrays_that_others_may_write_are_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = dir_archive(str(tmp_path / "old"), {"a": np.arange(5)}, cached=False, fast=True)
    (Path(old._getdir("a")) / "output.pkl_01.npy").chmod(0o666)
    assert run(["klepto", str(tmp_path / "old")]) == 1
    assert "may be written by others" in capsys.readouterr().out


def test_what_is_wrong_with_an_entry_keeps_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = dir_archive(str(tmp_path / "old"), {"sound": 1, "garbage": 2, "gone": 3}, cached=False)
    (Path(old._getdir("garbage")) / "output.pkl").write_bytes(b"garbage")
    (Path(old._getdir("gone")) / "output.pkl").unlink()
    dir_archive(str(tmp_path / "old"), {"source": 4}, cached=False, serialized=False)
    (tmp_path / "old" / "K_h5").mkdir()
    (tmp_path / "old" / "K_h5" / "output.hdf5").write_bytes(b"")
    (tmp_path / "old" / "K_.I_unfinished").mkdir()
    assert run(["klepto", str(tmp_path / "old")]) == 1
    said = capsys.readouterr().out
    assert "1 entries imported" in said and "4 left out" in said
    for reason in ("K_garbage: ", "K_gone: it has no output", "K_source: it is source text", "K_h5: it is an HDF5 file"):
        assert reason in said
    assert list(ndstash.Cache(tmp_path / "old.ndstash")) == ["sound"]


def test_a_file_that_cannot_be_loaded_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").write_bytes(b"garbage")
    assert run(["klepto", str(tmp_path / "old")]) == 1
    assert f"{tmp_path / 'old'}: " in capsys.readouterr().out


def test_other_archives_are_refused_with_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = sqltable_archive(f"sqlite:///{tmp_path / 'sql'}", {"a": "b"}, cached=False)
    (tmp_path / "source.py").write_text("memo = {'a': 1}")  # As klepto does it, which forgets to close the file.
    (tmp_path / "hdf").write_bytes(b"\x89HDF\r\n\x1a\n")
    for name, kind in {"sql": "a SQL database", "source.py": "source text", "hdf": "an HDF5 file"}.items():
        assert run(["klepto", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert kind in said and ".update(archive)" in said
        assert not (tmp_path / f"{name}.ndstash").exists()
    new = ndstash.Cache(tmp_path / "new")
    new.update(sql)
    assert dict(new.items()) == {"a": "b"}
    with closing(sqlite3.connect(tmp_path / "sql")) as database:
        assert database.execute("SELECT count(*) FROM memo").fetchone() == (1,)
    sql._conn.close()


def test_what_is_no_archive_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["klepto", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "empty").mkdir()
    assert run(["klepto", str(tmp_path / "empty")]) == 2
    said = capsys.readouterr().err
    assert said.count("ndstash import: ") == 2 and "no directory K_" in said
    assert not list(tmp_path.glob("*.ndstash"))
