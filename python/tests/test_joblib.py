"""The store backend for joblib."""

import asyncio
import datetime
import os
import pickle
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib._store_backends import CacheWarning
from joblib_suite import damage

import ndstash
from ndstash._core import Store
from ndstash.errors import Untrusted
from ndstash.joblib import NAMESPACE, NdstashStoreBackend

Memory = Callable[..., joblib.Memory]
CALLS: list[Any] = []


def ones(n: int) -> Any:
    CALLS.append(n)
    return np.ones(n)


def pair(n: int) -> Any:
    CALLS.append(n)
    return {"first": np.arange(n), "second": (np.arange(n), "text", np.float32(1), range(1))}


def reports(n: int) -> Any:
    return f"result {n}"


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()
    joblib.memory._FUNCTION_HASHES.clear()


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Makes a `Memory` at one location."""
    return lambda **options: joblib.Memory(tmp_path / "cache", backend="ndstash", verbose=0, **options)


def call_id(function: Any, *args: Any) -> tuple[str, str]:
    return function.func_id, function._get_args_id(*args)


def disk_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in (directory / "blobs").rglob("*") if path.is_file())


def test_a_result_is_computed_once(memory: Memory) -> None:
    function = memory().cache(ones)
    assert function(10).tolist() == function(10).tolist() == [1.0] * 10
    assert memory().cache(ones)(10).tolist() == [1.0] * 10
    assert CALLS == [10]
    assert function.check_call_in_cache(10) and not function.check_call_in_cache(11)


@pytest.mark.parametrize(
    ("mode", "writable"), [(None, True), ("c", True), ("r+", True), ("w+", True), ("r", False)]
)
@pytest.mark.parametrize("n", [3, 100_000])
def test_arrays_come_back_as_the_mode_says(memory: Memory, mode: str | None, writable: bool, n: int) -> None:
    function = memory(mmap_mode=mode).cache(ones)
    function(n)
    found = function(n)
    assert found.flags.writeable is writable
    if writable:
        found[:] = 2
    assert function(n).sum() == n
    assert CALLS == [n]


def test_an_unknown_mode_is_refused(memory: Memory) -> None:
    with pytest.raises(ValueError, match="mmap_mode"):
        memory(mmap_mode="x")


def test_equal_arrays_are_stored_once(memory: Memory, tmp_path: Path) -> None:
    function = memory().cache(lambda n, name: np.ones(n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", joblib.memory.JobLibCollisionWarning)
        for name in "abc":
            function(100_000, name)
    items = memory().store_backend.get_items()
    assert len(items) == 3
    assert disk_bytes(tmp_path / "cache") == 800_000
    assert sum(item.size > 800_000 for item in items) == 1
    assert items[-1].size > 800_000, "counted with the one used last"


def test_threshold_says_from_where_arrays_are_stored_once(tmp_path: Path) -> None:
    for threshold, expected in ((80_000, 80_000), (80_001, 0)):
        location = tmp_path / str(threshold)
        memory = joblib.Memory(location, backend="ndstash", verbose=0, backend_options={"threshold": threshold})
        memory.cache(ones)(10_000)
        assert disk_bytes(location) == expected


def test_values_keep_their_types(memory: Memory) -> None:
    function = memory(mmap_mode="r").cache(pair)
    function(50_000)
    found = function(50_000)
    assert type(found["second"]) is tuple and type(found["second"][2]) is np.float32
    assert found["first"].dtype == np.arange(1).dtype and not found["first"].flags.writeable
    assert CALLS == [50_000]


def test_metadata_comes_with_the_result(memory: Memory) -> None:
    function = memory().cache(ones)
    function(3)
    backend = memory().store_backend
    metadata = backend.get_metadata(call_id(function, 3))
    assert metadata["input_args"] == {"n": "3"} and metadata["duration"] >= 0 and metadata["time"] > 1e9
    assert backend.get_metadata(call_id(function, 4)) == {}


def test_arguments_too_long_for_metadata_are_left_out(memory: Memory) -> None:
    function = memory().cache(ones)
    function(3)
    backend = memory().store_backend
    backend.store_metadata(call_id(function, 3), {"time": 1.0, "input_args": {"n": "x" * (17 << 20)}})
    assert backend.get_metadata(call_id(function, 3)) == {"time": 1.0, "input_args": {}}


def test_cache_validation_callback(memory: Memory) -> None:
    function = memory().cache(ones, cache_validation_callback=joblib.expires_after(seconds=-1))
    function(3), function(3)
    assert CALLS == [3, 3]
    function = memory().cache(ones, cache_validation_callback=joblib.expires_after(hours=1))
    function(3)
    assert CALLS == [3, 3]


def test_call_and_shelve(memory: Memory) -> None:
    shelved = memory().cache(ones).call_and_shelve(5)
    again = pickle.loads(pickle.dumps(shelved))
    assert again.get().tolist() == [1.0] * 5
    again.clear()
    with pytest.raises(KeyError, match="cleared"):
        shelved.get()


def test_shelving_a_hit_does_not_load_it(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    function = memory().cache(ones)
    function(5)
    monkeypatch.setattr(NdstashStoreBackend, "load_item", lambda *args, **named: pytest.fail("loaded"))
    function.call_and_shelve(5)
    assert CALLS == [5]


def test_functions_and_memories_travel(memory: Memory) -> None:
    function = memory(mmap_mode="r").cache(ones)
    function(7)
    again = pickle.loads(pickle.dumps(function))
    assert again(7).tolist() == [1.0] * 7
    assert vars(again.store_backend) == vars(function.store_backend)
    assert CALLS == [7]


def test_changed_code_clears_the_results(memory: Memory) -> None:
    backend = memory().store_backend
    function = memory().cache(ones)
    function(3)
    backend.store_cached_func_code([function.func_id], "# first line: 1\ndef ones(n): return 0\n")
    joblib.memory._FUNCTION_HASHES.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", joblib.memory.JobLibCollisionWarning)
        memory().cache(ones)(3)
    assert CALLS == [3, 3]
    assert "np.ones" in backend.get_cached_func_code([function.func_id])


def test_without_its_code_the_results_of_a_function_are_not_used(memory: Memory, tmp_path: Path) -> None:
    backend = memory().store_backend
    function = memory().cache(ones)
    function(3)
    (code,) = [info for info in backend._handle.core.find() if info.pinned]
    damage(tmp_path / "cache", code.key.digest)
    joblib.memory._FUNCTION_HASHES.clear()
    with pytest.raises(FileNotFoundError):
        backend.get_cached_func_code([function.func_id])
    assert backend.get_items() == []
    memory().cache(ones)(3)
    assert CALLS == [3, 3]


def test_clearing_a_function_leaves_others_and_frees_its_arrays(memory: Memory, tmp_path: Path) -> None:
    first, second = memory().cache(ones), memory().cache(pair)
    first(100_000), second(3)
    assert disk_bytes(tmp_path / "cache") == 800_000
    first.clear(warn=False)
    assert disk_bytes(tmp_path / "cache") == 0
    assert not first.check_call_in_cache(100_000) and second.check_call_in_cache(3)
    backend = memory().store_backend
    assert backend.contains_path([first.func_id]) and backend.contains_path([second.func_id])
    assert not backend.contains_path(["other/function"])


def test_clear_removes_what_is_joblibs_and_nothing_else(memory: Memory, tmp_path: Path) -> None:
    function = memory().cache(ones)
    function(100_000)
    other = ndstash.Cache(tmp_path / "cache")
    other["mine"] = 1
    memory().clear(warn=False)
    assert memory().store_backend.get_items() == [] and disk_bytes(tmp_path / "cache") == 0
    with pytest.raises(FileNotFoundError):
        memory().store_backend.get_cached_func_code([function.func_id])
    assert other["mine"] == 1
    function(100_000)
    assert CALLS == [100_000, 100_000]


def test_reduce_size_counts_shared_arrays_once(memory: Memory, tmp_path: Path) -> None:
    function = memory().cache(np.ones)
    twice = memory().cache(ones)
    function(100_000), twice(100_000)
    memory().reduce_size(bytes_limit="1M")
    assert len(memory().store_backend.get_items()) == 2, "0.8 MB on disk, though 1.6 MB in all"
    memory().reduce_size(bytes_limit="100K")
    assert memory().store_backend.get_items() == [] and disk_bytes(tmp_path / "cache") == 0


def test_reduce_size_by_number_and_age(memory: Memory) -> None:
    function = memory().cache(reports)
    for n in range(4):
        function(n)
    memory().reduce_size(items_limit=1)
    (item,) = memory().store_backend.get_items()
    assert item.path == os.path.join(memory().store_backend.location, *call_id(function, 3))
    assert item.size > 0 and abs(item.last_access - datetime.datetime.now()) < datetime.timedelta(minutes=1)
    memory().reduce_size(age_limit=datetime.timedelta(days=1))
    assert function.check_call_in_cache(3)
    memory().reduce_size(age_limit=datetime.timedelta(0))
    assert not function.check_call_in_cache(3)


def test_locations_are_taken_for_what_they_name(memory: Memory) -> None:
    backend = memory().store_backend
    function = memory().cache(ones)
    function(3), function(4)
    one = backend._path(call_id(function, 3))
    assert backend._item_exists(one) and backend._item_exists(os.path.dirname(one))
    backend.clear_location(one)
    assert not backend._item_exists(one) and function.check_call_in_cache(4)
    backend.clear_location(os.path.dirname(one))
    assert not backend._item_exists(os.path.dirname(one)) and backend._item_exists(backend.location)
    with pytest.raises(OSError, match="no files"):
        backend._open_item(one, "rb")


@pytest.mark.parametrize("kind", ["lambda", "lock", "error"])
def test_what_cannot_be_stored_is_a_warning(memory: Memory, kind: str) -> None:
    function = memory().cache(unpicklable)
    with pytest.warns(CacheWarning, match="Unable to cache"):
        assert function(kind) is not None
    assert not function.check_call_in_cache(kind)


def test_what_says_that_it_cannot_be_pickled_is_a_warning_of_joblibs(memory: Memory) -> None:
    function = memory().cache(unpicklable)
    with pytest.warns(FutureWarning, match="not this one"):
        function("refuses")
    assert not function.check_call_in_cache("refuses")


def unpicklable(kind: str) -> Any:
    if kind == "lock":
        return threading.Lock()
    return (lambda: 0) if kind == "lambda" else Refusing(pickle.PicklingError if kind == "refuses" else RuntimeError)


class Refusing:
    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        raise self.kind("not this one")


def test_a_full_store_is_a_warning(memory: Memory) -> None:
    function = memory().cache(ones)
    function(3)
    memory().store_backend._handle.store.set_limits(bytes=1000)
    with pytest.warns(CacheWarning, match="limit"):
        assert function(100_000).sum() == 100_000


def test_a_damaged_result_is_computed_again(memory: Memory, tmp_path: Path) -> None:
    function = memory().cache(ones)
    function(3)
    (info,) = memory().store_backend._of_function(function.func_id)
    damage(tmp_path / "cache", info.key.digest)
    assert memory().store_backend.get_metadata(call_id(function, 3)) == {}
    with pytest.raises(KeyError, match="corrupted"):
        function.call_and_shelve(3).get()
    assert function(3).tolist() == function(3).tolist() == [1.0] * 3
    assert CALLS == [3, 3]


def test_a_location_that_is_removed_is_made_again(memory: Memory, tmp_path: Path) -> None:
    function = memory().cache(ones)
    function(3)
    shutil.rmtree(tmp_path / "cache")
    assert function(3).tolist() == function(3).tolist() == [1.0] * 3
    assert CALLS == [3, 3]


def test_pickles_of_others_are_not_loaded(memory: Memory, tmp_path: Path) -> None:
    function = memory().cache(pair)
    function(3)
    (tmp_path / "cache").chmod(0o777)
    fresh = memory().cache(pair)
    with pytest.raises(Untrusted, match="may be written by others"):
        fresh.store_backend.load_item(call_id(fresh, 3))
    fresh(3)
    assert CALLS == [3, 3]
    trusting = memory(backend_options={"pickle": "always"}).cache(pair)
    trusting(3)
    assert CALLS == [3, 3]


def test_the_store_lies_beside_the_files_of_joblibs_own_backend(tmp_path: Path) -> None:
    joblib.Memory(str(tmp_path), verbose=0).cache(ones)(3)
    joblib.memory._FUNCTION_HASHES.clear()
    memory = joblib.Memory(str(tmp_path), backend="ndstash", verbose=0)
    function = memory.cache(ones)
    function(3), function(3)
    assert CALLS == [3, 3]
    assert Store.open(tmp_path / "joblib" / "ndstash", create=False).usage()
    joblib.memory._FUNCTION_HASHES.clear()
    joblib.Memory(str(tmp_path), verbose=0).cache(ones)(3)
    joblib.Memory(str(tmp_path), backend="ndstash", verbose=0).cache(ones)(3)
    assert CALLS == [3, 3]


def test_an_ndstash_directory_is_used_as_it_is(tmp_path: Path) -> None:
    cache = ndstash.Cache(tmp_path / "results")
    joblib.Memory(tmp_path / "results", backend="ndstash", verbose=0).cache(ones)(3)
    found = [entry for entry in cache.sub(NAMESPACE).entries() if entry.function and entry.function.endswith("/ones")]
    assert sorted(entry.description for entry in found)[-1] == "float64 (3,)"


def test_coroutines(memory: Memory) -> None:
    async def later(n: int) -> Any:
        await asyncio.sleep(0)
        return ones(n)

    function = memory().cache(later)
    assert asyncio.run(function(3)).tolist() == asyncio.run(function(3)).tolist() == [1.0] * 3
    assert CALLS == [3]


def test_verbose_says_what_joblib_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    function = joblib.Memory(tmp_path / "cache", backend="ndstash", verbose=11).cache(ones)
    function(3), function(3)
    said = capsys.readouterr().out
    assert "Persisting in" in said and f"Loading ones from {tmp_path / 'cache'}" in said
    function.store_backend.load_item(call_id(function, 3), verbose=2, metadata={"input_args": {"n": "3"}})
    assert capsys.readouterr().out == "[Memory]: Loading ones(n=3)...\n"


def test_parallel_workers_share_results(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import joblib, ndstash.joblib, numpy as np\n"
        "from sys import argv\n"
        "def square(x):\n"
        "    print('computing', flush=True)\n"
        "    return x * x\n"
        "if __name__ == '__main__':\n"
        "    f = joblib.Memory(argv[1], backend='ndstash', verbose=0).cache(square)\n"
        "    x = np.arange(200_000.0)\n"
        "    r = joblib.Parallel(2)(joblib.delayed(f)(x + i % 2) for i in range(4))\n"
        "    assert all((r[i] == (x + i % 2) ** 2).all() for i in range(4))\n"
    )
    for computed in ((2, 3, 4), (0,)):
        ran = subprocess.run(
            [sys.executable, script, tmp_path / "cache"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.count("computing") in computed


def test_a_pipeline_of_scikit_learn(memory: Memory, tmp_path: Path) -> None:
    pipelines = pytest.importorskip("sklearn.pipeline")
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression

    x = np.random.default_rng(0).normal(size=(2000, 20))
    y = x.sum(axis=1)

    def fit(cache: Any) -> Any:
        return pipelines.Pipeline([("pca", PCA(5)), ("line", LinearRegression())], memory=cache).fit(x, y)

    plain, first = fit(None), fit(memory())
    items = len(memory().store_backend.get_items())
    second = fit(memory())
    assert items == len(memory().store_backend.get_items()) == 1
    assert np.allclose(plain.predict(x), first.predict(x)) and np.array_equal(first.predict(x), second.predict(x))
    assert fit(str(tmp_path / "own")).predict(x).shape == (2000,)
