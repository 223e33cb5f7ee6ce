"""The core module: caches, flights, signals, processes."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndstash import _core as core


def refuse(value: object) -> object:
    raise TypeError


@pytest.fixture
def store(tmp_path: Path) -> core.Store:
    return core.Store.open(tmp_path / "store")


@pytest.fixture
def cache(store: core.Store) -> core.Cache:
    return store.cache("space")


def key(value: object, namespace: str = "space", function: str | None = "f") -> core.Key:
    return core.Key.of_call(namespace, function, "1", {"x": value}, describe=refuse)


def put(cache: core.Cache, at: core.Key, value: object, **labels: Any) -> None:
    writer = cache.writer(at)
    for name, label in labels.items():
        getattr(writer, name)(label)
    assert writer.portable(value)
    assert writer.put() is not None


def test_a_value_is_found_under_its_key_with_where_it_comes_from(cache: core.Cache) -> None:
    assert cache.look(key(1)) is None and not cache.contains(key(1)) and cache.info(key(1)) is None
    put(cache, key(1), {"a": np.arange(20_000)}, compute_time=2.0, tag="t")
    entry = cache.look(key(1))
    assert entry is not None and not entry.stale
    assert np.array_equal(entry.portable("r")["a"], np.arange(20_000))
    assert (entry.namespace, entry.function, entry.version, entry.parts) == ("space", "f", "1", {"x": 1})
    assert entry.key == key(1) and entry.tags == ["t"] and entry.compute_time == 2.0
    assert isinstance(entry, core.Info) and entry.host and cache.contains(key(1))
    bare = core.Key(key(1).digest)
    assert cache.look(bare) is not None and cache.info(bare) is not None
    put(cache, bare, 2)
    info = cache.info(key(1))
    assert info is not None and (info.namespace, info.function, info.parts) == ("space", None, None)


def test_what_is_done_is_counted(cache: core.Cache) -> None:
    put(cache, key(1), np.arange(20_000.0), compute_time=3.0)
    put(cache, key(2), np.arange(20_000.0))
    entry = cache.look(key(1))
    assert entry is not None
    cache.note_hit(entry)
    cache.note_hit(entry)
    cache.note_miss()
    cache.note_computed(1.5)
    cache.note_refused()
    cache.note_damaged(key(1), "torn")
    for what in ("key", "load", "store", "lock"):
        cache.note_failure(what, "f", "no room")  # type: ignore[arg-type]
    stats = cache.stats()
    assert stats == {
        "hits": 2, "stale": 0, "misses": 1, "damaged": 1, "failures": 4, "refused": 1, "saved_ns": 6_000_000_000,
        "computed_ns": 1_500_000_000, "new_bytes": 160_000, "shared_bytes": 160_000,
    }  # fmt: skip
    assert cache.sub("inner").stats()["hits"] == 0 and cache.store.cache("").stats() == stats
    with pytest.raises(core.Invalid):
        cache.note_failure("other", None, "")  # type: ignore[arg-type]
    messages = core.drain_log()
    assert any(level == 30 and "no room" in text for level, text in messages) and core.drain_log() == []


def test_a_cache_that_is_off_finds_and_counts_nothing(cache: core.Cache) -> None:
    put(cache, key(1), 1)
    cache.enabled = False
    assert not cache.enabled and cache.look(key(1)) is None and not cache.contains(key(1))
    cache.note_miss()
    cache.enabled = True
    assert cache.look(key(1)) is not None and cache.stats()["misses"] == 0


def test_time_is_over_when_it_is(cache: core.Cache) -> None:
    put(cache, key(1), 1, expires_in=-10)
    assert cache.look(key(1)) is None and cache.look(key(1), 5) is None
    stale = cache.look(key(1), 60)
    assert stale is not None and stale.stale and stale.portable("r") == 1
    assert cache.look(key(1), float("inf")) is not None
    cache.note_hit(stale)
    assert cache.stats()["hits"] == 1
    for wrong in (-1.0, float("nan")):
        with pytest.raises(core.Invalid):
            cache.look(key(1), wrong)
    assert cache.relabel(key(1), expires_in=60)
    assert cache.look(key(1)) is not None
    assert cache.relabel(key(1), tags=["a"], meta={"m": (1, 2)}, pinned=True)
    info = cache.info(key(1))
    assert info is not None and (info.tags, info.meta, info.pinned) == (["a"], {"m": (1, 2)}, True)
    assert info.expires is not None
    assert cache.relabel(key(1), expires_in=None)
    info = cache.info(key(1))
    assert info is not None and info.expires is None and info.tags == ["a"] and info.pinned
    assert not cache.relabel(key(2), tags=[])
    with pytest.raises(core.Invalid):
        cache.relabel(key(1), meta={"m": np.ones(3)})


def test_entries_are_found_removed_and_made_stale_by_what_they_say(cache: core.Cache) -> None:
    for number in range(6):
        put(cache, key(number, function=f"f{number % 2}"), np.zeros(number * 1000), tag="odd" if number % 2 else "even")
    put(cache.sub("inner"), key(7, "space/inner"), 7)
    found = cache.find()
    assert iter(found) is found and len({info.key for info in found}) == 7 and list(found) == []
    assert {info.parts["x"] for info in cache.find(tag="odd")} == {1, 3, 5}  # type: ignore[index]
    assert {info.parts["x"] for info in cache.find(function="f0", at_least=16_001, tag=None)} == {4}  # type: ignore[index]
    assert len(list(cache.sub("inner").find())) == 1
    assert list(cache.find(created_before=time.time() - 3600)) == [] and list(cache.find(pinned=True)) == []
    assert len(list(cache.find(created_after=time.time() - 3600, used_before=time.time() + 3600, pinned=False))) == 7
    for wrong in ({"colour": 1}, {"tag": 1}, {"at_least": "x"}):
        with pytest.raises(TypeError):
            cache.find(**wrong)
    with pytest.raises(core.Invalid):
        cache.find(created_before=float("nan"))
    assert cache.expire(tag="odd") == 3 and cache.look(key(1, function="f1")) is None
    assert len(list(cache.find(expired_at=time.time() + 1))) == 3
    assert cache.evict(tag="odd") == 3 and cache.evict() == 4


def test_damaged_entries_are_counted_told_and_passed_over(cache: core.Cache) -> None:
    put(cache, key(1), 1)
    put(cache, key(2), 2)
    digest = key(1).digest
    manifest = Path(cache.store.path) / "entries" / digest[:2] / digest
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes()[:-1])
    core.drain_log()
    assert cache.look(key(1)) is None
    messages = core.drain_log()
    assert len(messages) == 1 and messages[0][0] == 30 and digest in messages[0][1]
    assert cache.look(key(1), again=True) is None and core.drain_log() == []
    assert cache.stats()["damaged"] == 1
    assert [info.key for info in cache.find()] == [key(2)]
    with pytest.raises(core.Damaged):
        cache.store.entry(key(1))


def test_an_entry_is_forgotten_if_it_is_still_the_one_that_was_seen(cache: core.Cache) -> None:
    put(cache, key(1), 1)
    first = cache.info(key(1))
    put(cache, key(1), 2)
    assert not cache.forget(key(1), only=first) and cache.contains(key(1))
    assert cache.forget(key(1), only=cache.look(key(1))) and not cache.forget(key(1))
    put(cache, key(1), 3)
    assert cache.forget(key(1))


def test_the_nearest_calls_and_what_differs_are_told(cache: core.Cache) -> None:
    array = np.zeros(100)
    args = {"x": 1, "rate": 0.5, "field": array}
    stored = core.Key.of_call("space", "f", "1", args, describe=refuse)
    put(cache, stored, 1)
    put(cache, core.Key.of_call("space", "f", "1", {"x": 9}, describe=refuse), 2)
    asked = core.Key.of_call("space", "f", "1", {**args, "rate": 0.25, "field": np.ones(100)}, describe=refuse)
    nearest, far = cache.explain(asked)
    assert nearest["info"].key == stored
    [field, rate] = sorted(nearest["differences"], key=lambda difference: difference["part"])
    assert rate == {"part": "rate", "here": "0.25", "there": "0.5"}
    assert field["part"] == "field" and field["here"].startswith("float64 (100,) ") and field["here"] != field["there"]
    assert len(far["differences"]) == 3 and any(item["here"] is None or item["there"] is None for item in far["differences"])
    assert len(cache.explain(asked, 1)) == 1 and cache.explain(key(1, function="g")) == []


def test_a_store_that_went_away_is_a_miss(cache: core.Cache, tmp_path: Path) -> None:
    put(cache, key(1), 1)
    (tmp_path / "store").rename(tmp_path / "moved")
    subprocess.run(["rm", "-rf", str(tmp_path / "moved")], check=True)
    assert cache.look(key(1)) is None
    cache.note_miss()
    assert cache.stats()["misses"] == 1
    with pytest.raises(core.Error):
        put(cache, key(2), 2)


# --- flights -----------------------------------------------------------------------------------------------------


def test_one_computes_while_others_wait(cache: core.Cache) -> None:
    flight = cache.flight(key(1))
    assert flight is not None
    assert cache.flight(key(1)) is None, "this thread has it"
    outcome: list[Any] = []

    def other() -> None:
        for wait in (0.0, 10.0):
            try:
                taken = cache.flight(key(1), wait)
                assert taken is not None
                with taken:
                    outcome.append("taken")
            except core.Busy as busy:
                outcome.append(busy)

    thread = threading.Thread(target=other)
    thread.start()
    while not outcome:
        time.sleep(0.01)
    assert isinstance(outcome[0], core.Busy) and outcome[0].path is not None
    flight.release()
    flight.release()
    thread.join()
    assert outcome[1:] == ["taken"]
    with cache.flight(key(1)) as again:  # type: ignore[union-attr]
        assert again is not None
    with pytest.raises(ZeroDivisionError), cache.flight(key(1)):  # type: ignore[union-attr]
        1 / 0
    assert cache.flight(key(1)) is not None


def test_a_flight_that_belongs_to_no_thread_is_waited_for_by_all(cache: core.Cache) -> None:
    flight = cache.flight(key(1))
    assert flight is not None
    flight.detach()
    with pytest.raises(core.Busy):
        cache.flight(key(1), 0)
    threading.Thread(target=flight.release).start()
    assert cache.flight(key(1), 10) is not None
    reader = core.Store.open(cache.store.path, read_only=True).cache("space")
    assert reader.flight(key(1)) is None


def interrupted_by(wait: Any, after: float = 0.3) -> float:
    """How long a wait lasted that Ctrl-C ends."""

    def press() -> None:
        time.sleep(after)
        os.kill(os.getpid(), signal.SIGINT)

    # Whoever runs tests in the background may have them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    try:
        thread.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            wait()
        thread.join()
        return time.monotonic() - start
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_waits_for_flights_and_locks(cache: core.Cache) -> None:
    taken: list[Any] = []
    holder = threading.Thread(target=lambda: taken.append(cache.flight(key(1))))
    holder.start()
    holder.join()
    assert interrupted_by(lambda: cache.flight(key(1), 60)) < 10
    taken[0].release()
    with cache.flight(key(1), 1):  # type: ignore[union-attr]
        pass
    other = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()",
         str(Path(cache.store.path) / "gate.lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert other.stdout is not None and other.stdout.readline() == b"\n"
        assert interrupted_by(lambda: put(cache, key(2), 2)) < 10
        assert not cache.contains(key(2))
    finally:
        other.communicate(b"\n")
    put(cache, key(2), 2)


def test_a_signal_handler_that_returns_ends_no_wait(cache: core.Cache) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    flight: list[Any] = []
    holder = threading.Thread(target=lambda: flight.append(cache.flight(key(1))))
    holder.start()
    holder.join()

    def later() -> None:
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.3)
        flight[0].release()

    thread = threading.Thread(target=later)
    thread.start()
    try:
        assert cache.flight(key(1), 60) is not None
        assert seen == [signal.SIGUSR1]
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


# --- processes ---------------------------------------------------------------------------------------------------

CHILD = """
import sys
from ndstash import _core as core
store = core.Store.open(sys.argv[1], create=False)
entry = store.entry("value")
assert entry.portable("r").sum() == 199990000
writer = store.writer("child")
writer.portable({"from": "child"})
writer.put()
"""


def test_other_processes_see_the_same(store: core.Store) -> None:
    writer = store.writer("value")
    writer.portable(np.arange(20_000))
    writer.put()
    subprocess.run([sys.executable, "-c", CHILD, store.path], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert store.entry("child").portable("r") == {"from": "child"}  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_uses_what_its_parent_opened(cache: core.Cache) -> None:
    large = np.arange(1 << 20)
    put(cache, key(1), large)
    flight = cache.flight(key(2))
    assert flight is not None
    child = os.fork()
    if child == 0:
        status = 1
        try:
            core.after_fork_in_child()
            entry = cache.look(key(1))
            assert entry is not None and entry.portable(None).sum() == large.sum()
            put(cache, key(3), large + 1)
            del flight
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert cache.contains(key(3))
    outcome: list[Any] = []

    def attempt() -> None:
        try:
            outcome.append(cache.flight(key(2), 0))
        except core.Busy as busy:
            outcome.append(busy)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert isinstance(outcome[0], core.Busy), "the child did not give the parent's flight away"


def test_who_may_be_trusted_is_told(store: core.Store, tmp_path: Path) -> None:
    writer = store.writer("value")
    writer.payload("own", pickle.dumps(1), [])
    writer.put()
    entry = store.entry("value")
    assert entry is not None and entry.distrust() is None
    (tmp_path / "store").chmod(0o777)
    entry = store.entry("value")
    assert entry is not None
    reason = entry.distrust()
    assert reason is not None and str(tmp_path / "store") in reason
