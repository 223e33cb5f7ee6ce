"""The tier in memory: what a hit there still checks, tells apart and counts, and when it sees what has changed."""

import asyncio
import enum
import logging
import math
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndstash

LONG = 1000.0
"""For so long nothing is looked for on disk here, unless it has to be."""


@pytest.fixture
def cache(tmp_path: Path) -> ndstash.Cache:
    """An empty cache with a tier in memory."""
    return ndstash.Cache(tmp_path / "cache", memory=1 << 20, memory_trust=LONG)


def lose(cache: ndstash.Cache) -> None:
    """Removes all entries past the cache: what is found after that comes from memory."""
    assert ndstash.Cache(cache.directory).clear() > 0


class Counted:
    """A memoized function that counts how often it is computed, and whose results are in memory once they were asked for."""

    def __init__(self, cache: ndstash.Cache, function: Callable[..., Any], **options: Any) -> None:
        self.count = 0

        def compute(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return function(*args, **kwargs)

        compute.__wrapped__ = function  # type: ignore[attr-defined]  # its signature
        self.call = cache.memoize(compute, **{"version": "1", "name": "counted", **options})

    def hold(self, *args: Any, **kwargs: Any) -> Any:
        """Sees to it that the result of a call is in memory."""
        self.call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def computes(self, *args: Any, **kwargs: Any) -> bool:
        """Whether a call is computed."""
        before = self.count
        self.call(*args, **kwargs)
        return self.count > before


def exact(value: Any) -> str:
    """A text that tells values apart as keys do."""
    if type(value) is float:
        return "nan" if math.isnan(value) else value.hex()
    if type(value) in (list, tuple):
        return f"{type(value).__name__}({', '.join(map(exact, value))})"
    if type(value) is dict:
        return f"dict({', '.join(sorted(f'{exact(key)}: {exact(item)}' for key, item in value.items()))})"
    return f"{type(value).__name__} {value!r}"


# --- what a hit is -----------------------------------------------------------------------------------------------


def test_a_hit_comes_from_memory_and_counts(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda x: [x, {"a": (x, None)}])
    f.hold(1)
    lose(cache)
    assert f.call(1) == [1, {"a": (1, None)}] and f.count == 1
    assert tuple(f.call.stats()) == (2, 1)
    assert tuple(ndstash.Cache(cache.directory).stats()) == (2, 1)


def test_there_is_no_memory_unless_it_is_asked_for(tmp_path: Path) -> None:
    f = Counted(ndstash.Cache(tmp_path / "cache"), lambda x: x)
    f.hold(1)
    lose(ndstash.Cache(tmp_path / "cache"))
    assert f.computes(1)


def test_items_come_from_memory(cache: ndstash.Cache) -> None:
    cache["a"], cache["none"] = [1, 2], None
    assert (cache["a"], cache.get("none", 3)) == ([1, 2], None)
    lose(cache)
    assert (cache["a"], cache.get("a"), cache.get("none", 3)) == ([1, 2], [1, 2], None)
    assert cache.stats().hits == 5
    assert cache.get("b", 7) == 7 and cache.get("a", 7, expire_time=True) == (7, None)


def test_coroutines_come_from_memory(cache: ndstash.Cache) -> None:
    count = []

    async def compute(x: int) -> int:
        count.append(x)
        return x

    f = cache.memoize(compute, version="1")
    assert [asyncio.run(f(1)), asyncio.run(f(1))] == [1, 1]
    lose(cache)
    assert asyncio.run(f(1)) == 1 and count == [1]


def test_results_that_are_pickled_are_found_on_disk(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda x: SimpleNamespace(x=x))
    assert [f.hold(1).x, f.count] == [1, 1]
    cache["p"] = SimpleNamespace(x=2)
    assert [cache["p"].x, cache["p"].x] == [2, 2]
    lose(cache)
    assert f.computes(1)


@pytest.mark.parametrize("memory", [-1, -(1 << 70)])
def test_memory_is_a_number_of_bytes(tmp_path: Path, memory: int) -> None:
    with pytest.raises(ValueError, match="memory"):
        ndstash.Cache(tmp_path / "cache", memory=memory)


def test_the_options_travel(cache: ndstash.Cache) -> None:
    again: ndstash.Cache = pickle.loads(pickle.dumps(cache))
    f = Counted(again, lambda x: x)
    f.hold(1)
    lose(again)
    assert not f.computes(1)


# --- the function is checked -------------------------------------------------------------------------------------

SOURCE = """
import ndstash
TABLE = {{1: "one"}}
SCALE = 2
def helper(x):
    return {text}
def f(x):
    return helper(x), SCALE, TABLE.get(x)
"""


@pytest.mark.parametrize(
    "change",
    [
        lambda module: setattr(module, "SCALE", 3),
        lambda module: module.TABLE.update({1: "changed"}),
        lambda module: setattr(module, "helper", lambda x: -x),
        lambda module: setattr(module.helper, "__code__", (lambda x: -x).__code__),
    ],
    ids=["global", "in place", "function", "code"],
)
def test_a_function_that_was_changed_is_computed(
    cache: ndstash.Cache, module: Callable[[str], Any], change: Callable[[Any], object]
) -> None:
    loaded = module(SOURCE.format(text="x"))
    f = cache.memoize(loaded.f)
    first = [f(1), f(1), f(1)]
    change(loaded)
    assert first == [(1, 2, "one")] * 3
    assert f(1) == loaded.f(1) != first[0]
    assert f(1) == loaded.f(1)


def test_what_a_closure_holds_is_checked(cache: ndstash.Cache) -> None:
    held = 1

    def set_held(value: int) -> None:
        nonlocal held
        held = value

    def f(x: int) -> int:
        return x + held

    memoized = cache.memoize(f)
    assert [memoized(1), memoized(1), memoized(1)] == [2, 2, 2]
    set_held(10)
    assert [memoized(1), memoized(1)] == [11, 11]
    set_held(1)
    assert memoized(1) == 2


# --- calls are told apart ----------------------------------------------------------------------------------------


class Text(str):
    """A text that is none exactly."""


class Colour(enum.IntEnum):
    """A number that is none exactly."""

    RED = 1
    BLUE = 2


ARGUMENTS: list[Any] = [
    1, 1.0, True, "1", b"1", 1 + 0j, np.int64(1), np.float32(1), np.float64(1), Text("1"), Text("2"), Colour.RED, Colour.BLUE, (1,), [1], {1: 1},
    {1}, frozenset({1}), (1.0,), [True], 0.0, -0.0, 0, False, None, "", b"", (), [], {}, 2**64, -(2**64), 2**64 + 1, math.nan,
    math.inf, np.array([1]), np.array([1.0]), [[1]], [(1,)], ((1,), 1), (1, (1,)), {"1": 1}, {1: "1"},
    {True: 1}, f"{Text.__module__}.Text", "x" * 5000, "x" * 5001, b"x" * 5000, [1] * 100, [1] * 101,
]  # fmt: skip


def test_arguments_are_told_apart_as_by_keys(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda x: exact(x) if not isinstance(x, np.ndarray) else f"{x!r}")
    keys = {f.call.key(argument) for argument in ARGUMENTS}
    assert len(keys) == len(ARGUMENTS)
    results = [f.hold(argument) for argument in ARGUMENTS]
    assert f.count == len(ARGUMENTS) == len(set(results))
    lose(cache)
    assert [f.call(argument) for argument in ARGUMENTS] == results and f.count == len(ARGUMENTS)


def test_each_nan_is_one(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda x: 1)
    f.hold(float("nan"))
    assert not f.computes(-float("nan"))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.integers(), st.sampled_from([0.0, -0.0, 1.0, math.nan]), st.floats(),
    st.sampled_from(["", "0", "1"]), st.text(max_size=3), st.binary(max_size=3), st.complex_numbers(),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(scalars, inner, max_size=2)
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    yield Counted(ndstash.Cache(tmp_path_factory.mktemp("shared"), memory=64 << 20, memory_trust=LONG), exact)


@settings(max_examples=300, deadline=None)
@given(value=values)
def test_every_plain_value_finds_its_own_result(shared: Counted, value: Any) -> None:
    assert shared.hold(value) == exact(value)
    before = shared.count
    ndstash.Cache(shared.call._function.handle.settings.directory).clear()
    assert shared.call(value) == exact(value)
    assert shared.count == before


def test_an_argument_that_was_changed_is_another(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda x: str(x))
    argument: list[Any] = [1, [2]]
    assert f.hold(argument) == "[1, [2]]"
    argument[1].append(3)
    assert f.call(argument) == "[1, [2, 3]]"


def test_forms_of_a_call_meet(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda a, b=2, *rest, c=3, **more: [a, b, rest, c, more])
    f.hold(1)
    lose(cache)
    assert not any([f.computes(a=1), f.computes(1, 2), f.computes(1, b=2, c=3), f.computes(c=3, a=1, b=2)])
    assert f.computes(1, 3) and f.computes(1, 2, 3) and f.computes(1, d=4)
    with pytest.raises(TypeError):
        f.call()


@pytest.mark.parametrize(
    ("options", "first", "same", "other"),
    [
        ({"ignore": "b"}, (1, 2), (1, 3), (2, 2)),
        ({"round": 1}, (1.01, 2.0), (1.02, 2.0), (1.2, 2.0)),
        ({"round": {"a": 1}}, (1.01, 2.0), (1.02, 2.0), (1.01, 2.01)),
        ({"round": {"a": ndstash.significant(2)}}, ([1.01], 2), ([1.02], 2), ([1.2], 2)),
        ({"key": lambda a, b: a + b}, (1, 2), (2, 1), (2, 2)),
        ({"typed": False}, (1, 2), (True, 2.0), (1.5, 2)),
    ],
    ids=["ignore", "round", "round one", "significant", "key", "untyped"],
)
def test_options_of_keys_hold_in_memory(
    cache: ndstash.Cache, options: dict[str, Any], first: Any, same: Any, other: Any
) -> None:
    f = Counted(cache, lambda a, b: [a, b], **options)
    f.hold(*first)
    lose(cache)
    assert not f.computes(*same)
    assert f.computes(*other)


def test_functions_and_namespaces_are_told_apart(cache: ndstash.Cache) -> None:
    variants: list[tuple[ndstash.Cache, dict[str, Any]]] = [
        (cache, {"name": "f"}), (cache, {"name": "g"}), (cache, {"name": "f", "version": "2"}), (cache.sub("s"), {"name": "f"}),
    ]  # fmt: skip
    for number, (where, options) in enumerate(variants):
        f = Counted(where, lambda x, number=number: number, **options, ignore="number")
        assert f.hold(1) == number


def test_methods_find_the_results_of_their_object(cache: ndstash.Cache) -> None:
    class Scaled:
        def __init__(self, by: int) -> None:
            self.by = by

        @cache.memoize
        def times(self, x: int) -> int:
            return self.by * x

    two, three = Scaled(2), Scaled(3)
    assert [two.times(4), two.times(4), three.times(4), three.times(4)] == [8, 8, 12, 12]
    two.by = 5
    assert two.times(4) == 20


# --- nobody changes what others get ------------------------------------------------------------------------------


def test_each_hit_hands_out_a_value_of_its_own(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda: {"list": [1], "set": {1}, "tuple": ([1],)})
    for _ in range(4):
        value = f.call()
        assert value == {"list": [1], "set": {1}, "tuple": ([1],)}
        value["list"].append(2)
        value["set"].add(2)
        value["tuple"][0].append(2)
        value["more"] = 1
    assert f.count == 1


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("mode", ["r", "c", None])
def test_nobody_writes_into_an_array_of_others(cache: ndstash.Cache, size: int, mode: Any) -> None:
    f = Counted(cache, lambda: np.zeros(size), mmap_mode=mode)
    for _ in range(4):
        array = f.call()
        assert array.sum() == 0
        if mode == "r":
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.setflags(write=True)
            array.shape = (2, size // 2)
        else:
            array[:] = 1
    lose(cache)
    assert f.call().shape == (size,) and f.call().sum() == 0 and f.count == 1


# --- what has changed is seen ------------------------------------------------------------------------------------


def test_a_time_that_is_over_is_over(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda: 1, expire=0.5)
    start = time.monotonic()
    f.hold()
    lose(cache)
    assert time.monotonic() - start > 0.5 or not f.computes()
    time.sleep(0.5)
    assert f.computes()


def merged(cache: ndstash.Cache, f: Any) -> None:
    other = ndstash.Cache(cache.directory + "-other")
    other.memoize(lambda: "other", version="1", name="counted").put("other")
    cache.merge(other, replace=True)


CHANGES: dict[str, Callable[[ndstash.Cache, Any], object]] = {
    "forget": lambda cache, f: f.forget(),
    "clear of the function": lambda cache, f: f.clear(),
    "put": lambda cache, f: f.put("other"),
    "clear": lambda cache, f: cache.clear(),
    "evict": lambda cache, f: cache.evict("tag"),
    "delete": lambda cache, f: cache.delete(f.key()),
    "pop": lambda cache, f: cache.pop(f.key()),
    "set": lambda cache, f: cache.set(f.key(), "other"),
    "touch": lambda cache, f: cache.touch(f.key(), 0),
    "find and forget": lambda cache, f: cache.find(tag="tag").forget(),
    "find, one by one": lambda cache, f: cache.find(where=lambda entry: True).forget(),
    "invalidate": lambda cache, f: cache.find(tag="tag").invalidate(),
    "entry": lambda cache, f: next(iter(f.entries())).forget(),
    "entry touched": lambda cache, f: next(iter(f.entries())).touch(0),
    "expire": lambda cache, f: cache.expire(now=time.time() + 10_000),
    "of a part": lambda cache, f: cache.sub("part").memoize(lambda: 1, version="1", name="x") and f.forget(),
    "cull": lambda cache, f: (cache.reset("entry_limit", 0), cache.cull()),
    "merge": merged,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_the_cache_itself_changes_is_seen_at_once(
    cache: ndstash.Cache, change: Callable[[ndstash.Cache, Any], object]
) -> None:
    f = Counted(cache, lambda: "first", expire=5000, tag="tag")
    assert f.hold() == "first" and not f.computes()
    change(cache, f.call)
    assert f.computes() or f.call() == "other"


def test_a_call_that_is_made_anew_is_seen(cache: ndstash.Cache) -> None:
    numbers = iter(range(10))
    f = Counted(cache, lambda: next(numbers), ignore=())
    assert [f.hold(), f.call.call(), f.call()] == [0, 1, 1]


def test_other_names_of_the_directory_are_other_caches(cache: ndstash.Cache) -> None:
    """What those change is seen in time: a removal, and another value."""
    quick = ndstash.Cache(cache.directory, memory=1 << 20, memory_trust=0.2)
    f = Counted(quick, lambda x: x)
    f.hold(1)
    f.hold(2)
    other = ndstash.Cache(cache.directory)
    assert other.delete(f.call.key(1))
    other[f.call.key(2)] = "other"
    time.sleep(0.25)
    assert f.computes(1)
    assert f.call(2) == "other" and f.count == 3


def test_without_trust_all_is_seen_at_once(cache: ndstash.Cache) -> None:
    f = Counted(ndstash.Cache(cache.directory, memory=1 << 20, memory_trust=0), lambda x: x)
    f.hold(1)
    lose(cache)
    assert f.computes(1)


def test_a_hit_notes_now_and_then_that_an_entry_is_used(cache: ndstash.Cache) -> None:
    f = Counted(ndstash.Cache(cache.directory, memory=1 << 20, memory_trust=0.1), lambda x: x)
    f.hold(1)
    (file,) = (path for path in Path(cache.directory, "entries").rglob("*") if path.is_file())
    long_ago = time.time() - 7200
    os.utime(file, (long_ago, long_ago))
    time.sleep(0.15)
    assert not f.computes(1)
    assert file.stat().st_mtime > long_ago + 3600


def test_off_is_off(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda x: x)
    f.hold(1)
    with cache.off():
        assert f.computes(1)
    with f.call.off():
        assert f.computes(1)
    assert not f.computes(1)


def test_what_was_closed_holds_nothing(cache: ndstash.Cache) -> None:
    f = Counted(cache, lambda x: x)
    f.hold(1)
    cache.close()
    lose(cache)
    assert f.computes(1)


def spoil(cache: ndstash.Cache, folder: str) -> None:
    """Changes a byte of the only file of a kind."""
    (path,) = (path for path in Path(cache.directory, folder).glob("*/*") if path.is_file())
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.seek(300)
        byte = file.read(1)[0]
        file.seek(300)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("folder", ["blobs", "entries"])
def test_damage_is_counted_once_and_nothing_of_it_handed_out(cache: ndstash.Cache, folder: str) -> None:
    f = Counted(cache, lambda: np.ones(100_000))
    f.call()
    spoil(cache, folder)
    assert f.call().sum() == 100_000 and f.count == 2
    stats = f.call.stats()
    assert (stats.hits, stats.misses, stats.damaged) == (0, 2, 1)


@pytest.mark.parametrize("folder", ["blobs", "entries"])
def test_a_damaged_item_is_not_there(cache: ndstash.Cache, folder: str) -> None:
    cache["a"] = np.ones(100_000)
    spoil(cache, folder)
    assert cache.get("a", "nothing") == "nothing"
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.damaged) == (0, 1, 1)


# --- whoever wants to see each hit does --------------------------------------------------------------------------


def test_valid_is_asked_at_each_hit(cache: ndstash.Cache) -> None:
    good = True
    f = Counted(cache, lambda x: x, valid=lambda entry: good)
    f.hold(1)
    assert not f.computes(1)
    good = False
    assert f.computes(1)


def test_each_hit_is_told(
    cache: ndstash.Cache, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    f = Counted(cache, lambda x: x)
    f.hold(1)
    with caplog.at_level(logging.DEBUG, "ndstash"):
        f.call(1)
    assert "hit" in caplog.text
    loud = Counted(cache, lambda x: x, verbose=2)
    loud.call(1)
    loud.call(1)
    assert capsys.readouterr().err.count("hit") == 2


# --- bounds, threads, processes ----------------------------------------------------------------------------------


def test_memory_is_bounded(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "cache", memory=200_000, memory_trust=LONG)
    f = Counted(cache, lambda x, n: f"{x:03}" * n)  # It counts as it is, not as it is compressed on disk.
    for x in range(100):
        f.hold(x, 3_000)
    f.hold(0, 60_000)
    lose(cache)
    held = sum(not f.computes(x, 3_000) for x in range(100))
    assert 5 <= held <= 22
    assert f.computes(0, 60_000)


def test_threads_get_what_is_right(cache: ndstash.Cache) -> None:
    f = cache.memoize(lambda x: [x, str(x)], version="1", name="f")
    wrong: list[Any] = []

    def work(seed: int) -> None:
        for step in range(400):
            x = (seed * 7 + step) % 13
            value = f(x)
            if value != [x, str(x)]:
                wrong.append((x, value))
            value.append(None)
            if step % 50 == seed:
                f.forget(x)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)
    hits, misses = f.stats()
    assert hits + misses >= 6 * 400 and misses >= 13


FORK = """
import os, sys, threading, time
import ndstash

cache = ndstash.Cache(sys.argv[1], memory=int(sys.argv[2]), memory_trust=1000)
f = cache.memoize(lambda x: [x], version="1", name="f")
[f(x) for x in range(20) for _ in range(2)]
end = False

def work():
    x = 0
    while not end:
        x = (x + 1) % 20
        assert f(x) == [x]
        if x == 0:
            f.put([3], 3)

threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        good = all(f(x) == [x] for x in range(20) for _ in range(2)) and f.forget(7) in (True, False) and f(7) == [7]
        os._exit(0 if good else 1)
    children.append(child)
    time.sleep(0.01)
deadline = time.monotonic() + 60
for child in children:
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, status
            break
        assert time.monotonic() < deadline, "a child hangs"
        time.sleep(0.01)
end = True
[thread.join() for thread in threads]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("memory", [1 << 20, 0])
def test_forked_children_of_threads_at_work(tmp_path: Path, memory: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(tmp_path / "cache"), str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_a_child_changes_its_parent_sees_in_time(tmp_path: Path) -> None:
    f = Counted(ndstash.Cache(tmp_path / "cache", memory=1 << 20, memory_trust=0.2), lambda x: x)
    f.hold(1)
    child = os.fork()
    if child == 0:
        os._exit(0 if f.call(1) == 1 and f.call.forget(1) and f.computes(1) and f.call.forget(1) else 1)
    assert os.waitpid(child, 0)[1] == 0
    time.sleep(0.25)
    assert f.computes(1)
