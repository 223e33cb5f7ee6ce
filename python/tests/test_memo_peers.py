"""Cases in which a cache of somebody else's gave a wrong result or none, each under its name.

Those that take many processes or damage are in `test_memo_processes.py` (many processes, one key; distinct slow keys; holder of
a lock killed), `test_cache_processes.py` (many processes, distinct keys; overwrite while reading) and `test_memo_damage.py`
(payload byte flipped; value file cut short; value file missing, manifest present).
"""

import collections
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jobs
import numpy as np
import pytest
from identities import cell, in_new_process, notebook

import ndstash

Module = Callable[[str], Any]


def entries(function: Any) -> int:
    """How many results of a function are stored."""
    return len(function.entries())


@pytest.fixture
def total(cache: ndstash.Cache) -> Any:
    """A memoized sum."""
    return cache.memoize(lambda x: float(np.sum(x)), name="total", version="1")


# --- arguments -------------------------------------------------------------------------------------------------------


def test_two_large_arrays_that_differ_only_in_the_middle(total: Any) -> None:
    one, two = np.zeros(5000), np.zeros(5000)
    two[2500] = 1
    assert (total(one), total(two)) == (0.0, 1.0)


def test_equal_arrays_c_fortran_strided_copied(cache: ndstash.Cache) -> None:
    echo = cache.memoize(lambda x: x, name="echo", version="1")
    array = np.arange(40_000.0).reshape(200, 200)
    forms = [array, np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2], array.copy(), array[::-1][::-1]]
    for form in forms:
        assert (echo(form) == array).all()
    assert entries(echo) == 1 and cache.usage()["blobs"] == 1
    for place, form in enumerate(forms):
        cache[place] = np.ascontiguousarray(form)
    assert cache.usage()["blobs"] == 1


def test_arrays_of_equal_bytes_with_other_dtype_or_shape(total: Any) -> None:
    zeros = np.zeros(16, "i8")
    forms = [zeros, zeros.view("f8"), zeros.reshape(4, 4), zeros.reshape(2, 8), zeros.view("u8"), zeros.view("M8[s]")]
    assert len({total.key(form) for form in forms}) == len(forms)


def test_forms_of_a_call_with_defaults(cache: ndstash.Cache) -> None:
    """`f(1)`, `f(x=1)`, `f(1, default)`."""

    @cache.memoize
    def f(x: int, y: int = 2) -> int:
        return x + y

    assert [f(1), f(x=1), f(1, 2), f(y=2, x=1)] == [3] * 4 and entries(f) == 1


def test_minus_one_and_minus_two(cache: ndstash.Cache) -> None:
    """`f(-1)` and `f(-2)`, whose hashes are the same."""
    f = cache.memoize(lambda x: x, name="f", version="1")
    assert (f(-1), f(-2)) == (-1, -2) and entries(f) == 2


def test_string_arguments_under_two_hash_seeds(tmp_path: Path) -> None:
    code = f"import jobs; print(jobs.digest_of({str(tmp_path / 'c')!r}, 'text'))"
    one, two = (in_new_process(code, tmp_path, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one == two == jobs.digest_of(str(tmp_path / "c"), "text")


def test_texts_that_look_alike_when_joined(cache: ndstash.Cache) -> None:
    """`two('a b','c')` and `two('a','b c')`; `1` and `'1'`."""
    two = cache.memoize(lambda x, y: [x, y], name="two", version="1")
    assert two("a b", "c") == ["a b", "c"] and two("a", "b c") == ["a", "b c"]
    assert two(1, "1") == [1, "1"] and two("1", 1) == ["1", 1] and entries(two) == 4


# --- functions -------------------------------------------------------------------------------------------------------


def test_two_functions_one_store_equal_arguments(cache: ndstash.Cache) -> None:
    @cache.memoize
    def up(x: int) -> int:
        return x + 1

    @cache.memoize
    def down(x: int) -> int:
        return x - 1

    assert (up(5), down(5), up(5), down(5)) == (6, 4, 6, 4)


SOURCE = """
CONSTANT = 10
OTHER = 100

def helper(x):
    return x * CONSTANT

def function(x):
    return helper(x) + 1
"""


def changed(cache: ndstash.Cache, module: Module, old: str, new: str) -> tuple[Any, Any]:
    """A memoized function that has been called with 3, and the same with another source."""
    first = cache.memoize(module(SOURCE).function)
    first(3)
    assert old in SOURCE
    return first, cache.memoize(module(SOURCE.replace(old, new)).function)


def test_constant_changed_in_the_body(cache: ndstash.Cache, module: Module) -> None:
    _, second = changed(cache, module, "+ 1", "+ 2")
    assert not second.cached(3) and second(3) == 32


def test_global_name_changed(cache: ndstash.Cache, module: Module) -> None:
    _, second = changed(cache, module, "* CONSTANT", "* OTHER")
    assert not second.cached(3) and second(3) == 301


def test_global_value_changed(cache: ndstash.Cache, module: Module) -> None:
    _, second = changed(cache, module, "CONSTANT = 10", "CONSTANT = 11")
    assert not second.cached(3) and second(3) == 34


def test_helper_changed(cache: ndstash.Cache, module: Module) -> None:
    _, second = changed(cache, module, "return x *", "return 2 * x *")
    assert not second.cached(3) and second(3) == 61


def test_comment_or_formatting_changed(cache: ndstash.Cache, module: Module) -> None:
    _, second = changed(cache, module, "return helper(x) + 1", '"""Says."""\n    # why\n    return (helper( x ) +\n        1)')
    assert second.cached(3)


def test_change_source_and_change_back(cache: ndstash.Cache, module: Module) -> None:
    first, second = changed(cache, module, "+ 1", "+ 2")
    second(3)
    back = cache.memoize(module(SOURCE).function)
    assert back.cached(3) and back.version == first.version and entries(back) == 2


def test_two_closures_of_one_text_with_different_captured_values(cache: ndstash.Cache) -> None:
    def outer(n: int) -> Any:
        @cache.memoize
        def inner(x: int) -> int:
            return n * x

        return inner

    assert (outer(2)(3), outer(5)(3), outer(2)(3)) == (6, 15, 6)


def test_two_lambdas_on_one_line(cache: ndstash.Cache) -> None:
    one, two = cache.memoize(lambda x: x + 1), cache.memoize(lambda x: x + 2)
    assert (one(1), two(1), one(1)) == (2, 3, 2)


def test_nested_functions_of_one_name(cache: ndstash.Cache) -> None:
    def make(kind: str) -> Any:
        if kind == "a":

            def inner(x: int) -> int:
                return x + 1

        else:

            def inner(x: int) -> int:
                return x - 1

        return cache.memoize(inner)

    assert (make("a")(1), make("b")(1), make("a")(1)) == (2, 0, 2)


def test_same_name_in_two_modules(cache: ndstash.Cache, module: Any) -> None:
    one = cache.memoize(module("def f(x):\n    return x + 1\n", "module_one").f)
    two = cache.memoize(module("def f(x):\n    return x + 1\n", "module_two").f)
    assert one(1) == two(1) == 2 and not one.name == two.name and entries(one) == entries(two) == 1


def test_two_instances_of_a_class_one_method(cache: ndstash.Cache) -> None:
    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @cache.memoize
        def by(self, x: int) -> int:
            return self.factor * x

    assert (Scale(2).by(3), Scale(5).by(3)) == (6, 15) and entries(Scale.by) == 2


def test_function_redefined_with_another_body_in_one_session(cache: ndstash.Cache) -> None:
    def f(x: int) -> int:
        return x + 1

    first = cache.memoize(f)

    def f(x: int) -> int:
        return x + 2

    second = cache.memoize(f)
    assert first.name == second.name and (first(1), second(1), first(1)) == (2, 3, 2)


def test_script_moved_or_run_as_notebook(cache: ndstash.Cache, module: Module) -> None:
    cache.memoize(module(SOURCE).function, name="mine")(3)
    moved = cache.memoize(module(SOURCE, "elsewhere").function, name="mine")
    names = notebook()
    cell(SOURCE, names, 1)
    assert moved.cached(3) and cache.memoize(names["function"], name="mine").cached(3)


def test_function_that_writes_into_its_argument(cache: ndstash.Cache) -> None:
    @cache.memoize(warn_mutation=True)
    def f(x: Any) -> float:
        x[0] = 9
        return float(x.sum())

    with pytest.warns(ndstash.NdstashWarning, match="f has changed an argument"):
        f(np.zeros(3))


# --- results ---------------------------------------------------------------------------------------------------------


def test_byte_limit_near_the_size_of_one_value(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "c", size_limit=9_000_000)
    f = cache.memoize(jobs.large, name="large", version="1")
    for x in range(1, 5):
        f(x)
        assert f.cached(x)
        cache.cull()
        assert f.cached(x) and cache.volume() <= 9_000_000


def test_one_value_larger_than_the_limit_or_shard_share(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "c", size_limit=1_000_000)
    f = cache.memoize(jobs.large, name="large", version="1")
    with pytest.warns(ndstash.NdstashWarning, match="large has a result that is larger than the cache"):
        assert f(2).sum() == 2_000_000
    assert not f.cached(2) and f.stats().refused == 1
    with pytest.raises(ndstash.errors.TooLarge):
        cache["x"] = jobs.large(1)


def test_clear_a_function(cache: ndstash.Cache) -> None:
    one, two = (cache.memoize(jobs.large, name=name, version="1") for name in ("one", "two"))
    one(1), one(2), two(2)
    assert one.clear() == 2
    assert cache.gc()["bytes_freed"] == 8_000_000
    assert two(2).sum() == 2_000_000 and two.stats().hits == 1


def test_named_tuple_ordered_dict_shared_objects_in_a_result(cache: ndstash.Cache) -> None:
    @cache.memoize
    def f(n: int) -> Any:
        part = np.arange(n)
        return Pair(part, part), collections.OrderedDict(b=1, a=2), [part]

    for pair, ordered, (part,) in (f(20_000), f(20_000)):
        assert type(pair) is Pair and pair.left is pair.right is part
        assert type(ordered) is collections.OrderedDict and list(ordered) == ["b", "a"]


Pair = collections.namedtuple("Pair", "left right")


def test_first_and_second_call_return_the_same_types(cache: ndstash.Cache) -> None:
    @cache.memoize
    def f() -> Any:
        return 1, [True], (2.5, None), {1: "a"}, {2}, b"b", np.float32(1), np.arange(3, dtype=">i2"), Path("x"), range(3)

    first, second = f(), f()
    assert [type(part) for part in first] == [type(part) for part in second]
    assert first[7].dtype == second[7].dtype and first[7].flags.writeable == second[7].flags.writeable
    assert [type(part) for part in first][:6] == [int, list, tuple, dict, set, bytes]


def test_mapping_asked_for_per_function(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "c", mmap_mode=None)
    f = cache.memoize(jobs.large, name="f", version="1", mmap_mode="r")
    g = cache.memoize(jobs.large, name="f", version="1")
    assert not f(1).flags.writeable and g(1).flags.writeable
    assert f.stats().misses == 1


def test_mapped_address(cache: ndstash.Cache) -> None:
    f = cache.memoize(lambda n: [np.ones(n), np.ones(n, "i1"), np.ones(3)], name="f", version="1")
    for _ in range(2):
        assert [array.ctypes.data % 64 for array in f(100_001)[:2]] == [0, 0]


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_disk_full(tmp_path: Path, processes: Any) -> None:
    first, told, told_again, failures = processes(1).submit(jobs.with_full_disk, str(tmp_path / "c")).result()
    assert first == 3_000_000 and failures == 2
    assert len(told) == 1 and told[0].startswith("large has a result that could not be stored: ") and told_again == []
    assert ndstash.Cache(tmp_path / "c").check() == []


def test_folder_read_only(tmp_path: Path, processes: Any) -> None:
    os.chmod(tmp_path, 0o755)
    value, told = processes(1).submit(jobs.without_rights, str(tmp_path / "c")).result()
    assert value == 3_000_000 and any("large" in text for text in told) and len(told) <= 2


def test_path_too_long(cache: ndstash.Cache) -> None:
    f = cache.memoize(lambda x: len(x), name="n" * 2000, version="v" * 2000)
    assert f("x" * 100_000) == f("x" * 100_000) == 100_000 and f.stats().hits == 1


def test_unpicklable_or_unknown_value(cache: ndstash.Cache) -> None:
    @cache.memoize
    def f(x: int) -> Any:
        return lambda: x

    with pytest.warns(ndstash.NdstashWarning) as told:
        assert f(1)() == 1 and f(2)() == 2
    assert len(told) == 1 and "f has a result that could not be stored" in str(told[0].message)
    with pytest.raises(Exception, match="lambda"):
        f.using(on_error="raise")(3)
    g = cache.memoize(lambda x: 7, name="g", version="1")
    with pytest.warns(ndstash.NdstashWarning, match="g has no key, and runs uncached") as told:
        assert g(object()) == g(iter([1])) == 7
    assert len(told) == 1


def test_cache_folder_removed_while_in_use(cache: ndstash.Cache) -> None:
    f = cache.memoize(jobs.large, name="f", version="1")
    array = f(1)
    shutil.rmtree(cache.directory)
    assert array.sum() == 1_000_000
    assert f(1).sum() == 1_000_000 and f(2).sum() == 2_000_000
    assert f.cached(2)
    cache["a"] = 1
    assert cache["a"] == 1


def state_of(directory: str) -> list[Any]:
    """Everything that could be written: names, sizes, times and modes."""
    found = []
    for folder, _, files in os.walk(directory):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            status = os.stat(path)
            found.append((path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode))
    return sorted(found)


def test_read_only_open_of_a_store(cache: ndstash.Cache) -> None:
    f = cache.memoize(jobs.large, name="f", version="1")
    f(1), cache.set("a", [1])
    cache.close()
    time.sleep(0.5)
    before = state_of(cache.directory)
    reader = ndstash.Cache(cache.directory, read_only=True)
    again = reader.memoize(jobs.large, name="f", version="1")
    assert again(1).sum() == 1_000_000 and again(2).sum() == 2_000_000 and not again.cached(2)
    assert reader["a"] == [1] and list(reader) == ["a"] and "b" not in reader and reader.check() == []
    with pytest.raises(ndstash.Error):
        reader["b"] = 1
    assert tuple(again.stats()) == (1, 2) or again.stats().hits >= 1
    reader.close()
    assert state_of(cache.directory) == before


def test_a_store_of_a_newer_format(cache: ndstash.Cache) -> None:
    settings = Path(cache.directory) / "ndstash.toml"
    os.chmod(settings, 0o600)
    settings.write_text(settings.read_text().replace("format = 0", "format = 9"))
    with pytest.raises(ndstash.errors.Unsupported, match="9"):
        ndstash.Cache(cache.directory)


def test_an_entry_of_a_newer_format(cache: ndstash.Cache) -> None:
    f = cache.memoize(jobs.square, name="f", version="1")
    f(3)
    path = next(Path(cache.directory, "entries").glob("*/*"))
    data = bytearray(path.read_bytes())
    data[8] = 9
    os.chmod(path, 0o600)
    path.write_bytes(data)
    assert f(3) == 9 and f.stats().damaged >= 1
