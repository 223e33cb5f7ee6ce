"""`ndstash import diskcache`."""

import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from time import sleep, time
from typing import Any

import diskcache
import numpy as np
import pytest

import ndstash
from ndstash.__main__ import main
from ndstash.importing import run

ITEMS: dict[Any, Any] = {
    "text": "a\r\nb",
    "long text": "line\r\n" * 10_000,
    "bytes": b"ab",
    "long bytes": bytes(100_000),
    1: 1,
    1.5: 2.5,
    b"key": None,
    ("tuple", 1): {"a": [1, 2]},
    2**70: np.float32(1),
    "array": np.arange(100_000.0),
    "same array": np.arange(100_000.0),
}


@pytest.fixture
def old(tmp_path: Path) -> Any:
    """An empty DiskCache."""
    with diskcache.Cache(tmp_path / "old") as cache:
        yield cache


def test_items_come_over(old: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key, value in ITEMS.items():
        old[key] = value
    assert run(["diskcache", old.directory]) == 0
    assert f"{len(ITEMS)} entries imported" in capsys.readouterr().out
    new = ndstash.Cache(tmp_path / "old.ndstash")
    assert list(new) == list(ITEMS)
    for key, value in ITEMS.items():
        assert type(new[key]) is type(value)
        assert np.array_equal(new[key], value)
    arrays = [path.stat().st_size for path in (tmp_path / "old.ndstash" / "blobs").rglob("*") if path.is_file()]
    assert arrays.count(800_000) == 1
    assert len(old) == len(ITEMS)


def test_time_and_tags_come_over(old: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old.set("later", 1, expire=1000, tag="group")
    old.set("number", 2, tag=7)
    old.set("over", 3, expire=0.01)
    sleep(0.02)
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 0
    assert "1 left out: their time is over" in capsys.readouterr().out
    new = ndstash.Cache(tmp_path / "new")
    value, expires, tag = new.get("later", expire_time=True, tag=True)
    assert (value, tag) == (1, "group") and 900 < expires - time() <= 1000
    assert new.get("number", expire_time=True, tag=True) == (2, None, "7")
    assert "over" not in new


def test_an_item_is_as_old_as_it_was(old: Any, tmp_path: Path) -> None:
    stored = {"first": 1_500_000_000.25, "second": 1_600_000_000.5, "to come": time() + 1e6}
    for key in stored:
        old.set(key, key, expire=1e9)
    with closing(sqlite3.connect(Path(old.directory) / "cache.db")) as database, database:
        for key, when in stored.items():
            database.execute("UPDATE Cache SET store_time = ? WHERE key = ?", (when, key))
    before = time()
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 0
    new = ndstash.Cache(tmp_path / "new")
    first, second, last = (new.info(key) for key in stored)
    assert first is not None and second is not None and last is not None
    assert (first.created.timestamp(), second.created.timestamp()) == (1_500_000_000.25, 1_600_000_000.5)
    assert before - 1 <= last.created.timestamp() <= time(), "a clock was wrong: it is not of the future here"
    assert [entry.item for entry in new.find(older=86_400 * 365)] == ["first", "second"]
    assert abs(new.get("first", expire_time=True)[1] - time() - 1e9) < 100


def test_the_program_shows_how_old_an_item_was(
    old: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old["a"] = 1
    with closing(sqlite3.connect(Path(old.directory) / "cache.db")) as database, database:
        database.execute("UPDATE Cache SET store_time = 1500000000")
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 0
    capfd.readouterr()
    assert main(["--store", str(tmp_path / "new"), "--json", "ls", "-l"]) == 0
    assert "2017-07-14T02:40:00Z" in capfd.readouterr().out


def test_a_stream_is_not_read_into_memory(old: Any, tmp_path: Path) -> None:
    old.set("log", io.BytesIO(b"line" * 50_000), read=True)
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 0
    with ndstash.Cache(tmp_path / "new").read("log") as file:
        assert file.read() == b"line" * 50_000


def test_what_is_there_stays(old: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old["a"] = "old"
    new = ndstash.Cache(tmp_path / "new")
    new["a"] = "new"
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 0
    assert "1 were there already" in capsys.readouterr().out
    assert new["a"] == "new"


def test_all_shards_come_over(tmp_path: Path) -> None:
    with diskcache.FanoutCache(tmp_path / "old", shards=3) as old:
        for n in range(20):
            old[n] = str(n)
    assert run(["diskcache", str(tmp_path / "old")]) == 0
    new = ndstash.Cache(tmp_path / "old.ndstash")
    assert {key: new[key] for key in new} == {n: str(n) for n in range(20)}


def test_json(tmp_path: Path) -> None:
    items = {"a": [1, None, {"b": "c"}], "long": ["x" * 10] * 10_000, "numbers": list(range(50_000))}
    with diskcache.Cache(tmp_path / "old", disk=diskcache.JSONDisk) as old:
        for key, value in items.items():
            old[key] = value
    assert run(["diskcache", str(tmp_path / "old"), "--json", "--pickle", "never"]) == 0
    assert dict(ndstash.Cache(tmp_path / "old.ndstash").items()) == items


def test_pickles_that_others_may_write_are_left(
    old: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, value in ITEMS.items():
        old[key] = value
    os.chmod(old.directory, 0o777)
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().out
    assert "6 entries imported" in said and "5 left out" in said and "may be written by others" in said
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new"), "--pickle", "always"]) == 0
    assert len(ndstash.Cache(tmp_path / "new")) == len(ITEMS)


def test_what_is_wrong_with_an_item_keeps_no_other(
    old: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for name in ("gone", "outside", "unknown", "sound"):
        old[name] = bytes(100_000)
    with closing(sqlite3.connect(Path(old.directory) / "cache.db")) as database, database:
        (name,) = database.execute("SELECT filename FROM Cache WHERE key = 'gone'").fetchone()
        (Path(old.directory) / name).unlink()
        database.execute("UPDATE Cache SET filename = '../secret' WHERE key = 'outside'")
        database.execute("UPDATE Cache SET mode = 9 WHERE key = 'unknown'")
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().out
    assert "'gone': " in said and "is outside of the cache" in said and "mode 9" in said
    assert list(ndstash.Cache(tmp_path / "new")) == ["sound"]


@pytest.mark.parametrize("content", [None, b"garbage" * 100])
def test_what_is_no_cache_is_refused(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old").mkdir()
    if content is not None:
        (tmp_path / "old" / "cache.db").write_bytes(content)
    assert run(["diskcache", str(tmp_path / "old")]) == 2
    assert capsys.readouterr().err.startswith("ndstash import: ")


def test_wrong_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["shelve", "somewhere"])
    assert "joblib" in capsys.readouterr().err


def triple(x: int) -> int:
    return 3 * x


def test_results_of_functions_come_over_as_items_which_functions_do_not_look_for(old: Any, tmp_path: Path) -> None:
    memoized = old.memoize()(triple)
    assert memoized(5) == 15
    assert run(["diskcache", old.directory, "--into", str(tmp_path / "new")]) == 0
    new = ndstash.Cache(tmp_path / "new")
    key = memoized.__cache_key__(5)
    assert list(new) == [key] and new[key] == 15
    again = new.memoize(triple)
    assert not again.cached(5)
    again.put(new[key], 5)
    assert again.get(5) == 15
