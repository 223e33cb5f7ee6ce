"""Arrays that come from a store know it: they have a digest for nothing, and travel between processes as references."""

from __future__ import annotations

import concurrent.futures
import gc
import multiprocessing
import os
import pathlib
import pickle
import signal
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pytest

from ndstash import codec, errors
from ndstash._arrays import buffer_of, digest_of, over
from ndstash._core import Key, Store, digest
from ndstash._travel import pins
from ndstash._travel.reference import WORTH

COUNT = 3 * WORTH // 8
Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Iterator[Store]:
    yield Store.open(str(tmp_path / "store"))
    pins._close()


def put(store: Store, name: str, value: object) -> None:
    writer = store.writer(name)
    codec.write(writer, value, codec.PICKLE, "always")
    writer.put()


def get(store: Store, name: str, mode: Any = "r") -> Any:
    entry = store.entry(name)
    assert entry is not None
    return codec.read(entry, mode, "auto", "always")


@pytest.fixture
def mapped(store: Store) -> Array:
    """An array under a read-only map of the store."""
    put(store, "array", np.arange(float(COUNT)).reshape(3, -1))
    array: Array = get(store, "array")
    return array


# --- digests -----------------------------------------------------------------------------------------------------


def test_a_mapped_array_knows_its_digest(mapped: Array) -> None:
    expected = digest(np.arange(float(COUNT)))
    assert digest_of(mapped) == expected
    assert digest_of(mapped.reshape(-1)) == expected
    assert digest_of(mapped.T) == expected
    assert digest_of(mapped.view(np.int64)[:]) == expected
    assert digest_of(np.frombuffer(memoryview(mapped.reshape(-1)).cast("B"))) == expected


def test_what_is_not_all_of_a_blob_has_no_digest(mapped: Array) -> None:
    flat = mapped.reshape(-1)
    for part in (flat[:-1], flat[1:], flat[::2], flat[::-1], mapped[:2], mapped.reshape(6, -1)[:, ::2], flat[:0]):
        assert digest_of(part) is None
        assert buffer_of(part) is not None
    assert digest_of(flat.reshape(2, 3, -1).transpose(1, 0, 2)) is None
    assert digest_of(np.ndarray((COUNT,), "f8", memoryview(flat), 0, (0,))) is None
    assert digest_of(mapped.copy()) is None
    assert buffer_of(mapped.copy()) is None


@pytest.mark.parametrize("mode", ["c", None])
def test_what_may_have_been_written_to_has_no_digest(store: Store, mapped: Array, mode: Any) -> None:
    array = get(store, "array", mode)
    assert digest_of(array) is None
    array.flags.writeable = False
    assert digest_of(array) is None


def test_small_and_other_arrays_have_no_digest(store: Store) -> None:
    put(store, "small", np.arange(2000))
    assert digest_of(get(store, "small")) is None
    own = np.arange(10)
    own.flags.writeable = False
    assert digest_of(own) is None
    assert digest_of(np.frombuffer(bytes(100_000), "u1")) is None


def test_an_array_over_a_buffer(store: Store, mapped: Array) -> None:
    buffer = buffer_of(mapped)
    assert buffer is not None
    again = over(buffer, "float64", (3, COUNT // 3))
    assert np.array_equal(again, mapped)
    assert not again.flags.writeable
    assert digest_of(again) == digest_of(mapped)


# --- references --------------------------------------------------------------------------------------------------

VIEWS = {
    "whole": lambda array: array,
    "transposed": lambda array: array.T,
    "part": lambda array: array[1:, 5:],
    "every other": lambda array: array[:, ::2],
    "backwards": lambda array: array[::-1, ::-1],
    "broadcast": lambda array: np.broadcast_to(array[0], (2, COUNT // 3)),
    "as times": lambda array: array.view("M8[ns]"),
    "as records": lambda array: array.reshape(-1).view([("a", "i4"), ("b", "f4")]),
}


def sent(value: object) -> bytes:
    return bytes(ForkingPickler.dumps(value))


@pytest.mark.parametrize("name", VIEWS)
def test_a_mapped_array_travels_as_a_reference(mapped: Array, name: str) -> None:
    view = VIEWS[name](mapped)
    parcel = sent({"a": view})
    assert len(parcel) < 700
    arrived = pickle.loads(parcel)["a"]
    assert type(arrived) is np.ndarray
    assert (arrived.dtype, arrived.shape, arrived.strides) == (view.dtype, view.shape, view.strides)
    assert arrived.tobytes() == view.tobytes()
    assert not arrived.flags.writeable
    assert buffer_of(arrived) is not None
    assert digest_of(arrived) == digest_of(view)
    with pytest.raises(ValueError, match="WRITEABLE"):
        arrived.flags.writeable = True


def test_what_arrived_can_travel_on(mapped: Array) -> None:
    arrived = pickle.loads(sent(pickle.loads(sent(mapped))))
    assert np.array_equal(arrived, mapped)
    assert digest_of(arrived) == digest_of(mapped)


@pytest.mark.parametrize("mode", ["c", None])
def test_arrays_that_may_be_written_to_travel_as_bytes(store: Store, mapped: Array, mode: Any) -> None:
    array = get(store, "array", mode)
    array[0, 0] = -1
    parcel = sent(array)
    assert len(parcel) > array.nbytes
    assert pickle.loads(parcel)[0, 0] == -1


def test_small_arrays_and_subclasses_and_objects_travel_as_bytes(store: Store, mapped: Array) -> None:
    small = mapped.reshape(-1)[: WORTH // 8 - 1]
    for value in (small, mapped.view(np.matrix), np.arange(COUNT), np.array([mapped.shape], object)):
        parcel = sent(value)
        assert len(parcel) >= (0 if value.dtype.hasobject else value.nbytes)
        arrived = pickle.loads(parcel)
        assert type(arrived) is type(value)
        assert np.array_equal(arrived, value)
    assert store.info("travelling/0") is None


def test_what_is_pickled_to_a_file_is_bytes(mapped: Array) -> None:
    assert len(pickle.dumps(mapped, 5)) > mapped.nbytes
    assert len(pickle.dumps(mapped, 2)) > mapped.nbytes
    cloudpickle = pytest.importorskip("cloudpickle")
    assert len(cloudpickle.dumps(mapped)) > mapped.nbytes


# --- while it travels --------------------------------------------------------------------------------------------


def test_what_travels_is_not_collected(store: Store, mapped: Array) -> None:
    parcel = sent(mapped)
    expected = mapped.copy()
    del mapped
    store.remove("array")
    gc.collect()
    assert store.gc()["blobs_removed"] == 0
    assert np.array_equal(pickle.loads(parcel), expected)


def test_what_arrived_long_ago_can_be_collected(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        put(store, f"array {number}", np.full(COUNT, float(number)))
    array = get(store, "array 0")
    parcel = sent(array)
    store.remove("array 0")
    monkeypatch.setattr(pins, "GRACE", -1.0)
    sent(get(store, "array 1"))
    store.gc()
    assert np.array_equal(pickle.loads(parcel), array), "it is still in use here"
    monkeypatch.setattr(pins, "GRACE", 600.0)
    del array
    sent(get(store, "array 2"))
    store.gc()
    assert pickle.loads(parcel)[0] == 0, "it was let go of a moment ago"
    monkeypatch.setattr(pins, "GRACE", -1.0)
    put(store, "array 3", np.full(COUNT, 3.0))
    sent(get(store, "array 3"))
    store.gc()
    with pytest.raises(errors.Error, match="was collected before it was opened here"):
        pickle.loads(parcel)


def test_sending_again_writes_nothing(store: Store, mapped: Array) -> None:
    sent(mapped)
    first = store.info("travelling/0")
    sent([mapped, mapped.T, get(store, "array")])
    again = store.info("travelling/0")
    assert first is not None
    assert again is not None
    assert first.sequence == again.sequence
    assert first.pinned


def test_what_was_collected_while_it_was_mapped_is_there_again_when_it_is_sent(store: Store, mapped: Array) -> None:
    store.remove("array")
    assert store.gc()["blobs_removed"] == 1
    assert np.array_equal(pickle.loads(sent(mapped)), mapped)


def test_a_reference_to_a_store_that_is_gone_is_an_error(store: Store, mapped: Array, tmp_path: pathlib.Path) -> None:
    parcel = sent(mapped)
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(errors.Error, match="store"):
        pickle.loads(parcel)
    (tmp_path / "elsewhere").rename(tmp_path / "store")


# --- processes ---------------------------------------------------------------------------------------------------


def look(array: Array) -> tuple[float, str | None, bool]:
    return float(array.sum()), digest_of(array), array.flags.writeable


def load(path: str, name: str) -> Array:
    array: Array = get(Store.open(path), name)
    return array


def load_and_remove(path: str, name: str) -> Array:
    store = Store.open(path)
    array: Array = get(store, name)
    store.remove(name)
    return array


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_to_a_process_and_back(store: Store, mapped: Array, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    expected = (float(mapped.sum()), digest_of(mapped), False)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(look, mapped).result() == expected
        back = pool.submit(load, store.path, "array").result()
        assert digest_of(back) == digest_of(mapped)
        last = pool.submit(load_and_remove, store.path, "array").result()
        store.gc()
        assert pool.submit(look, last).result() == expected
    assert look(last) == expected


def test_slots_are_given_back_when_their_process_ends(store: Store, mapped: Array) -> None:
    sent(mapped)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        arrays = [pool.apply(load, (store.path, "array")) for _ in range(6)]
        assert {digest_of(array) for array in arrays} == {digest_of(mapped)}
        assert store.info("travelling/1") is not None
        pool.close()
        pool.join()
    assert [number for number in range(8) if store.info(f"travelling/{number}") is not None] == [0]


def send_and_die(path: str, name: str, slot: int) -> None:
    sent(get(Store.open(path), name))
    assert Store.open(path).info(f"travelling/{slot}") is not None
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_is_tidied_up_by_the_next(store: Store, mapped: Array) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        killed = context.Process(target=send_and_die, args=(store.path, "array", 0))
        killed.start()
        killed.join()
        assert killed.exitcode == -signal.SIGKILL
    assert store.info("travelling/0") is not None
    put(store, "other", np.ones(COUNT))
    sent(get(store, "other"))
    store.remove("array")
    assert store.gc()["blobs_removed"] == 1


def test_a_slot_behind_ones_own_is_tidied_up_too(store: Store, mapped: Array) -> None:
    held = store.cache(pins.SPACE).flight(Key.of_name("travelling/0"), 0.0)
    assert held is not None
    killed = multiprocessing.get_context("spawn").Process(target=send_and_die, args=(store.path, "array", 1))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    held.release()
    sent(mapped)
    assert [number for number in range(8) if store.info(f"travelling/{number}") is not None] == [0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_leaves_the_slot_of_its_parent_alone(store: Store, mapped: Array) -> None:
    parcel = sent(mapped)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert np.array_equal(pickle.loads(sent(mapped)), mapped)
            assert store.info("travelling/1") is not None
            pins._close()
            assert store.info("travelling/1") is None
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.remove("array")
    store.gc()
    assert np.array_equal(pickle.loads(parcel), mapped)
    with pytest.raises(errors.Busy):
        store.cache(pins.SPACE).flight(Key.of_name("travelling/0"), 0.0)


# --- other libraries ---------------------------------------------------------------------------------------------


def test_loky(store: Store, mapped: Array) -> None:
    loky = pytest.importorskip("loky")
    get(store, "array")
    executor = loky.get_reusable_executor(max_workers=1)
    assert executor.submit(look, mapped).result() == (float(mapped.sum()), digest_of(mapped), False)
    assert digest_of(executor.submit(load, store.path, "array").result()) == digest_of(mapped)
    executor.shutdown(wait=True)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_joblib(store: Store, mapped: Array, backend: str) -> None:
    joblib = pytest.importorskip("joblib")
    get(store, "array")
    with joblib.parallel_config(backend=backend, n_jobs=2):
        looks = joblib.Parallel()(joblib.delayed(look)(array) for array in [mapped, mapped, np.ones(COUNT)])
        assert [one[1] for one in looks] == [digest_of(mapped), digest_of(mapped), None]
        back = joblib.Parallel()(joblib.delayed(load)(store.path, "array") for _ in range(2))
        assert [digest_of(array) for array in back] == [digest_of(mapped)] * 2


def test_dask(store: Store, mapped: Array) -> None:
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    get(store, "array")
    local = distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None)
    with local as cluster, distributed.Client(cluster) as client:
        there = client.scatter(mapped, direct=True)
        assert client.submit(look, there).result() == (float(mapped.sum()), digest_of(mapped), False)
        back = client.submit(load, store.path, "array")
        assert digest_of(client.gather(back)) == digest_of(mapped)
        with dask.config.set({"ndstash.references": False}):
            other = client.scatter(mapped[::-1], direct=True)
        assert client.submit(look, other).result()[:2] == (float(mapped.sum()), None)

