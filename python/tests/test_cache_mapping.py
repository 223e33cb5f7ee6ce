"""The cache as a mapping, one call at a time."""

import io
import pickle
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jobs
import numpy as np
import pytest

import ndstash
from ndstash import _items as stored
from ndstash._core import Writer
from ndstash._handle import Labels


def test_what_is_put_is_there(cache: ndstash.Cache) -> None:
    cache["a"] = {"x": [1, 2.5, None], "y": np.arange(3)}
    assert cache["a"]["x"] == [1, 2.5, None]
    assert cache["a"]["y"].tolist() == [0, 1, 2]
    assert "a" in cache and "b" not in cache
    with pytest.raises(KeyError, match="'b'"):
        cache["b"]


def test_keys_of_different_types_are_different(cache: ndstash.Cache) -> None:
    keys = [1, 1.0, True, "1", b"1", (1,), None, -1, -2, 0.0, "", ()]
    for place, key in enumerate(keys):
        cache[key] = place
    assert [cache[key] for key in keys] == list(range(len(keys)))
    assert [(type(key), key) for key in cache] == [(type(key), key) for key in keys]


def test_arrays_are_keys(cache: ndstash.Cache) -> None:
    array = np.arange(10_000.0)
    cache[array, "sum"] = 1
    assert cache[array.copy(), "sum"] == 1
    assert (array + 1, "sum") not in cache
    (key,) = cache
    assert cache[key] == 1


def test_delete(cache: ndstash.Cache) -> None:
    cache["a"] = 1
    del cache["a"]
    assert "a" not in cache
    with pytest.raises(KeyError, match="a"):
        del cache["a"]
    cache["a"] = 1
    assert cache.delete("a") and not cache.delete("a")


def test_the_order_is_that_of_insertion(cache: ndstash.Cache) -> None:
    for key in "bca":
        cache[key] = key
    cache["c"] = "new"
    assert list(cache) == ["b", "c", "a"]
    assert list(reversed(cache)) == ["a", "c", "b"]
    del cache["b"]
    cache["b"] = "again"
    assert list(cache.items()) == [("c", "new"), ("a", "a"), ("b", "again")]
    assert list(cache.values()) == ["new", "a", "again"]
    assert list(cache.iterkeys()) == ["a", "b", "c"]
    assert list(cache.iterkeys(reverse=True)) == ["c", "b", "a"]
    assert cache.peekitem() == ("b", "again")
    assert cache.peekitem(last=False) == ("c", "new")
    assert cache.popitem() == ("b", "again")
    assert cache.popitem(last=False) == ("c", "new")
    assert len(cache) == 1


def test_an_empty_cache_is_true_and_has_no_items(cache: ndstash.Cache) -> None:
    assert cache and len(cache) == 0 and list(cache) == []
    with pytest.raises(KeyError):
        cache.popitem()
    with pytest.raises(KeyError):
        cache.peekitem()


def test_get_tells_expiry_and_tag(cache: ndstash.Cache) -> None:
    before = time.time()
    cache.set("a", 1, expire=100, tag="t")
    value, expires, tag = cache.get("a", expire_time=True, tag=True)
    assert (value, tag) == (1, "t") and before + 99 < expires < time.time() + 101
    assert cache.get("a", tag=True) == (1, "t")
    assert cache.get("b", "nothing", expire_time=True, tag=True) == ("nothing", None, None)


def test_what_is_over_is_not_there(cache: ndstash.Cache) -> None:
    cache.set("a", 1, expire=0.5)
    cache.set("b", 2, expire=timedelta(hours=1))
    assert cache["a"] == 1
    time.sleep(0.51)
    assert "a" not in cache and cache.get("a") is None and list(cache) == ["b"]
    assert not cache.delete("a")
    assert cache.add("a", 3) and cache["a"] == 3 and list(cache) == ["b", "a"]


def test_expire_removes_what_is_over(cache: ndstash.Cache) -> None:
    cache.set("a", 1, expire=0.01)
    cache.set("b", 2, expire=1000)
    cache["c"] = 3
    time.sleep(0.02)
    assert cache.expire() == 1
    assert cache.expire(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert list(cache) == ["c"]


def test_touch_renews(cache: ndstash.Cache) -> None:
    cache.set("a", 1, expire=1)
    assert cache.touch("a", 100) and not cache.touch("b", 100)
    time.sleep(1.01)
    assert cache["a"] == 1
    assert cache.touch("a")
    assert cache.get("a", expire_time=True) == (1, None)
    assert cache.touch("a", 0) and not cache.touch("a", 100)


def test_evict_removes_by_tag(cache: ndstash.Cache) -> None:
    cache.set("a", 1, tag="x")
    cache.set("b", 2, tag=["x", "y"])
    cache.set("c", 3, tag="y")
    assert cache.evict("x") == 2
    assert list(cache) == ["c"]


def test_defaults_of_the_cache_count_where_nothing_is_said(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "cache", expire=100, tag="mine")
    cache["a"] = 1
    cache.set("b", 2, expire=None, tag=None)
    assert cache.get("a", tag=True)[1] == "mine" and cache.get("a", expire_time=True)[1] is not None
    assert cache.get("b", expire_time=True, tag=True) == (2, None, None)


def test_add_pop_setdefault(cache: ndstash.Cache) -> None:
    assert cache.add("a", 1) and not cache.add("a", 2)
    assert cache.setdefault("a", 3) == 1
    assert cache.setdefault("b", [4]) == [4]
    assert cache.pop("a") == 1 and cache.pop("a") is None and cache.pop("a", 5) == 5
    cache.set("t", 1, tag="x")
    assert cache.pop("t", tag=True) == (1, "x")


def test_counters_keep_expiry_and_tag(cache: ndstash.Cache) -> None:
    assert cache.incr("n") == 1
    cache.set("m", 10, expire=100, tag="t")
    assert cache.incr("m", 5) == 15
    assert cache.decr("m", 20) == -5
    value, expires, tag = cache.get("m", expire_time=True, tag=True)
    assert (value, tag) == (-5, "t") and expires is not None
    with pytest.raises(KeyError):
        cache.incr("missing", default=None)
    assert cache.decr("big", default=2**70) == 2**70 - 1
    assert list(cache) == ["n", "m", "big"]


def test_streams(cache: ndstash.Cache) -> None:
    data = bytes(range(256)) * 1000
    cache.set("file", io.BytesIO(data), read=True, tag="t")
    with cache.read("file") as file:
        assert file.read(3) == data[:3] and file.read() == data[3:]
    assert cache["file"] == data
    assert cache.get("file", read=True).read() == data
    cache["bytes"] = data
    with cache.read("bytes") as file:
        assert file.read() == data
    pickled = ndstash.Cache(cache.directory, codec="pickle")
    pickled["pickled"] = data
    with cache.read("pickled") as file:
        assert file.read() == data
    with pytest.raises(KeyError):
        cache.read("nothing")
    cache["array"] = np.zeros(70_000, np.uint8)
    assert type(cache.get("array", read=True)) is np.ndarray
    cache["number"] = 1
    with pytest.raises(TypeError, match="number"):
        cache.read("number")


def test_of_two_that_add_at_the_same_time_one_does(cache: ndstash.Cache) -> None:
    def fill(writer: Writer) -> None:
        cache["a"] = "by somebody else"
        writer.portable("mine")

    assert not stored.add(cache._handle, "a", fill, Labels())
    assert cache["a"] == "by somebody else"


def test_what_replaces_an_item_whose_time_is_over_comes_last(cache: ndstash.Cache) -> None:
    cache.set("a", 1, expire=0.01)
    cache["b"] = 2
    time.sleep(0.05)
    cache["a"] = 3
    assert list(cache) == ["b", "a"]


def test_what_was_pinned_can_be_let_go(cache: ndstash.Cache) -> None:
    cache["a"] = 1
    (entry,) = cache.entries()
    assert entry.pin() and len(cache.find(pinned=True)) == 1
    assert entry.pin(False) and len(cache.find(pinned=True)) == 0


def test_a_stream_is_not_read_into_memory(cache: ndstash.Cache) -> None:
    cache.set("file", io.BytesIO(bytes(20_000_000)), read=True)
    tracemalloc.start()
    try:
        with cache.read("file") as file:
            assert file.read(3) == bytes(3)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_clear(cache: ndstash.Cache) -> None:
    cache.update(a=1, b=2)
    cache.sub("inner")["c"] = 3
    assert cache.clear() == 3
    assert len(cache) == 0 and len(cache.sub("inner")) == 0


def test_nested_namespaces_are_apart(cache: ndstash.Cache) -> None:
    inner, other = cache.sub("inner"), cache.sub("other")
    inner["k"], other["k"] = 1, 2
    assert "k" not in cache and list(cache) == []
    assert inner["k"] == 1 and other["k"] == 2 and list(inner) == ["k"]
    assert len(cache.entries()) == 2 and len(inner.entries()) == 1
    assert cache.sub("a").sub("b").namespace == "a/b"
    assert inner.clear() == 1 and other["k"] == 2


def test_closing_leaves_arrays_and_opens_again(cache: ndstash.Cache) -> None:
    cache["a"] = np.arange(100_000)
    with cache:
        array = cache["a"]
    assert array.sum() == 4999950000
    assert cache["a"].sum() == 4999950000


def test_caches_of_one_place_are_equal(tmp_path: Path) -> None:
    one, two = ndstash.Cache(tmp_path / "c"), ndstash.Cache(tmp_path / "c")
    assert one == two and hash(one) == hash(two)
    assert one != two.sub("x") and one != ndstash.Cache(tmp_path / "d") and one != {}


def test_a_pickled_cache_opens_the_same_place(cache: ndstash.Cache, processes: object) -> None:
    cache["a"] = [1]
    again = pickle.loads(pickle.dumps(cache.sub("x")))
    assert again == cache.sub("x")
    pool: ProcessPoolExecutor = processes(1)
    assert pool.submit(jobs.item_of, cache, "a").result() == [1]


def test_modes_of_arrays(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    ndstash.Cache(directory)["a"] = np.zeros(100_000), np.zeros(3)
    for array in ndstash.Cache(directory)["a"]:
        assert not array.flags.writeable
    private = ndstash.Cache(directory, mmap_mode="c")
    for array in private["a"]:
        array += 1
    assert private["a"][0].sum() == 0
    for array in ndstash.Cache(directory).get("a", mmap_mode=None):
        array += 1
    assert ndstash.Cache(directory)["a"][0].sum() == 0
    with pytest.raises(ValueError, match="mmap_mode"):
        ndstash.Cache(directory, mmap_mode="w")


def test_pickle_never(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "c", pickle="never")
    cache["plain"] = {"a": np.arange(3)}
    assert cache["plain"]["a"].tolist() == [0, 1, 2]
    ndstash.Cache(tmp_path / "c")["object"] = Path("x")
    with pytest.raises(ndstash.Error):
        cache["object"]
    with pytest.raises(Exception, match="Path"):
        cache["other"] = Path("x")
    assert "other" not in cache
    with pytest.raises(ValueError, match="pickle"):
        ndstash.Cache(tmp_path / "c", pickle="maybe")


def test_limits_belong_to_the_directory(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "c", size_limit=10**7, policy="lfu")
    again = ndstash.Cache(tmp_path / "c")
    assert again.size_limit == 10**7 and again.eviction_policy == "lfu"
    assert again.reset("entry_limit", 3) == 3 and cache.reset("entry_limit") == 3
    assert cache.reset("size_limit", None) is None
    assert cache.reset("eviction_policy", "least-recently-stored") == "oldest"
    with pytest.raises(KeyError, match="size_limit"):
        cache.reset("cull_limit")


def test_cull_keeps_to_the_limits(cache: ndstash.Cache) -> None:
    for key in range(20):
        cache[key] = np.full(50_000, key)
    before = cache.volume()
    cache.reset("size_limit", before // 2)
    assert cache.cull() > 0
    assert cache.volume() <= before // 2
    assert 19 in cache


def test_stats_count(cache: ndstash.Cache) -> None:
    cache["a"] = 1
    for key in "aab":
        cache.get(key)
    hits, misses = cache.stats()
    assert (hits, misses) == (2, 1)
    assert cache.stats(reset=True).hit_rate == pytest.approx(2 / 3)
    assert tuple(cache.stats()) == (0, 0)


def test_equal_arrays_take_the_space_of_one(cache: ndstash.Cache) -> None:
    array = np.random.default_rng(1).random(100_000)
    for key in range(5):
        cache[key] = array
    usage = cache.usage()
    assert usage["blobs"] == 1 and usage["saved_bytes"] == 4 * array.nbytes
    assert cache.volume() < 1.1 * array.nbytes
    assert cache.check() == []


def test_gc_frees_what_was_removed(cache: ndstash.Cache) -> None:
    cache["a"] = np.arange(100_000)
    del cache["a"]
    assert cache.gc()["bytes_freed"] == 800_000
    assert cache.volume() < 1000


def test_merge_takes_over(tmp_path: Path) -> None:
    one, two = ndstash.Cache(tmp_path / "1"), ndstash.Cache(tmp_path / "2")
    one["a"], two["a"], two["b"] = 1, 2, np.arange(100_000)
    assert one.merge(two)["entries_copied"] == 1
    assert one["a"] == 1 and one["b"].sum() == 4999950000
    one.merge(two, replace=True)
    assert one["a"] == 2


def test_find(cache: ndstash.Cache) -> None:
    cache.set("a", np.zeros(100_000), tag="x")
    cache.set("b", 2, tag="x", expire=0.01)
    cache["c"] = 3
    time.sleep(0.02)

    def items(**conditions: object) -> list[object]:
        return sorted(entry.item for entry in cache.find(**conditions))

    assert items() == ["a", "b", "c"]
    assert items(tag="x") == ["a", "b"]
    assert items(tag="x", expired=False) == ["a"]
    assert items(expired=True) == ["b"]
    assert items(at_least=1000) == ["a"]
    assert items(newer=60) == ["a", "b", "c"] and items(older=60) == []
    assert items(older=datetime.now(UTC) + timedelta(days=1)) == ["a", "b", "c"]
    assert items(where=lambda entry: entry.item > "a", tag="x") == ["b"]
    assert items(pinned=True) == []
    with pytest.raises(TypeError, match="colour"):
        cache.find(colour="red")
    assert not cache.find(tag="z") and cache.find(tag="x") and len(cache.find(tag="x")) == 2
    assert cache.find(where=lambda entry: entry.item == "c").forget() == 1
    assert items() == ["a", "b"]


def test_entries_can_be_asked_and_changed(cache: ndstash.Cache) -> None:
    cache.set("a", np.zeros((200, 500)), tag="x", expire=100)
    (entry,) = cache.find()
    assert (entry.item, entry.tags, entry.function, entry.meta) == ("a", ("x",), None, {})
    assert entry.nbytes >= 800_000 and "float64" in entry.description and "800" not in entry.tags
    assert entry.arrays[0]["shape"] in ((200, 500), [200, 500])
    assert entry.expires is not None and entry.created < entry.expires
    assert entry.value().shape == (200, 500) and cache[entry.key].shape == (200, 500)
    assert entry.pin() and cache.info("a").pinned
    assert entry.touch(None) and cache.info("a").expires is None
    (entry,) = cache.find()
    cache["a"] = 2
    assert not entry.forget() and cache["a"] == 2
    assert cache.info("nothing") is None


def test_empty_arrays_become_values(cache: ndstash.Cache) -> None:
    with cache.empty("a", (300, 400), "f4") as new:
        new.array[:] = 7
        new[1] = [8] * 400
        assert new[1, 5] == 8 and np.asarray(new).sum() == 7 * 299 * 400 + 8 * 400
        new[1] = 7
        view = new.array[0]
        assert "a" not in cache
    assert cache["a"].dtype == np.float32 and cache["a"].shape == (300, 400) and (cache["a"] == 7).all()
    assert (view == 7).all()
    with pytest.raises(RuntimeError, match="stop"), cache.empty("b", 10) as new:
        raise RuntimeError("stop")
    assert "b" not in cache
    sealed = cache.empty(("c", 1), 0, int).seal()
    assert sealed.shape == (0,) and list(cache) == ["a", ("c", 1)]


def test_off_and_on(cache: ndstash.Cache) -> None:
    cache["a"] = 1
    with cache.off():
        assert "a" not in cache and cache.get("a") is None
        assert not cache.sub("x").set("a", 1)
        assert not cache.set("b", 2)
    assert cache["a"] == 1 and "b" not in cache
    cache.off()
    cache.close()
    assert "a" not in cache
    cache.on()
    assert cache["a"] == 1


def test_a_value_that_cannot_be_stored_raises(cache: ndstash.Cache) -> None:
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        cache["a"] = lambda: 1
    with pytest.raises(TypeError, match=r"object\(\)"):
        cache["b", object()] = 1
    assert list(cache) == []


def test_a_directory_that_is_not_there_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ndstash.errors.Invalid, match="nothing': a Cache makes it, unless it is read-only"):
        ndstash.Cache(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()


def test_representations(cache: ndstash.Cache) -> None:
    cache.set("a<b", np.zeros((3, 4)), tag="x")
    assert repr(cache) == f"Cache({cache.directory!r})"
    assert "float64" in repr(next(iter(cache.find()))) and "a<b" in repr(next(iter(cache.find())))
    for shown in (cache, cache.find(), next(iter(cache.find())), cache.stats()):
        html = shown._repr_html_()
        assert html.startswith("<table>") and "a<b" not in html
    assert "a&lt;b" in cache.find()._repr_html_() and "float64" in cache.find()._repr_html_()
