"""Values of every kind come back as they were: types, bits, layouts, aliases; mapped, stored once, in any process."""

from __future__ import annotations

import functools
import gc
import importlib.util
import multiprocessing
import pathlib
import pickle
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from typetable import CASES

from ndstash import codec
from ndstash._core import Store

MODES = ("r", "c", None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield Store.open(str(tmp_path_factory.mktemp("types") / "store"))


def put(store: Store, name: str, value: object) -> dict[str, int]:
    writer = store.writer(name)
    codec.write(writer, value, codec.PICKLE, "always")
    report = writer.put()
    assert report is not None
    return report


def get(store: Store, name: str, mode: Any) -> Any:
    entry = store.entry(name)
    assert entry is not None
    return codec.read(entry, mode, "auto", "always")


def maps(store: Store) -> list[str]:
    """How blobs of the store are mapped into this process: access rights, one text for each map."""
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    return [line.split()[1] for line in lines if f"{store.path}/blobs/" in line]


def present(names: tuple[str, ...]) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


cases = [
    pytest.param(name, marks=pytest.mark.skipif(not present(case.needs), reason=f"without {', '.join(case.needs)}"))
    for name, case in CASES.items()
]


@functools.cache
def stored(store: Store, name: str) -> Any:
    """The value, which is in the store under its name."""
    value = CASES[name].make()
    put(store, name, value)
    return value


@pytest.mark.parametrize("name", cases)
def test_a_value_comes_back_as_it_was(store: Store, name: str) -> None:
    case = CASES[name]
    value = stored(store, name)
    for mode in MODES:
        loaded = get(store, name, mode)
        case.same(loaded, value)
        if type(loaded) is np.ndarray and loaded.nbytes and not loaded.dtype.hasobject:
            assert loaded.flags.writeable == (mode != "r")


@pytest.mark.parametrize("name", cases)
def test_an_equal_value_adds_no_blob(store: Store, name: str) -> None:
    case = CASES[name]
    stored(store, name)
    entry = store.entry(name)
    assert entry is not None
    assert any(not array["inline"] for array in entry.arrays) == case.blobs
    put(store, name + ", again", case.make())
    again = store.entry(name + ", again")
    assert again is not None
    # A pickle tells by identity which of its texts are one: the stream of an equal value may be another.
    first = 1 if entry.encoding == "pickle-5" else 0
    digests = [[array["digest"] for array in each.arrays[first:]] for each in (entry, again)]
    assert digests[0] == digests[1]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is mapped")
@pytest.mark.parametrize("name", cases)
def test_what_is_large_is_mapped_for_as_long_as_it_is_used(store: Store, name: str) -> None:
    case = CASES[name]
    stored(store, name)
    gc.collect()
    before = maps(store)
    loaded = get(store, name, "r")
    here = maps(store)
    assert (len(here) > len(before)) == case.mapped
    rights = "rw-p" if name.startswith("torch") else "r--"
    assert all(one.startswith(rights) for one in here)
    del loaded
    if len(maps(store)) > len(before):
        gc.collect()
    assert len(maps(store)) == len(before)


def in_another_process(path: str, names: list[str]) -> dict[str, str]:
    """Which of the values do not come back there, and why."""
    store = Store.open(path, create=False)
    failures = {}
    for name in names:
        try:
            CASES[name].same(get(store, name, "r"), CASES[name].make())
        except Exception:
            failures[name] = traceback.format_exc()
    return failures


def test_every_value_comes_back_in_another_process(store: Store) -> None:
    names = [name for name, case in CASES.items() if present(case.needs)]
    for name in names:
        stored(store, name)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(in_another_process, (store.path, names)) == {}


def test_a_memory_map_of_numpy_comes_back_as_the_array_it_shows(store: Store, tmp_path: pathlib.Path) -> None:
    value = np.memmap(tmp_path / "file", np.float32, "w+", shape=(100, 300))
    value[:] = 2.5
    put(store, "memmap", value[:, 10:])
    loaded = get(store, "memmap", "r")
    assert type(loaded) is np.ndarray
    assert np.array_equal(loaded, value[:, 10:])


def test_a_slice_of_an_arrow_array_does_not_store_its_whole_parent(store: Store) -> None:
    arrow = pytest.importorskip("pyarrow")
    parent = arrow.table({"a": np.arange(1_000_000.0), "b": [f"{i:07}" for i in range(1_000_000)]})
    put(store, "part", parent.slice(5_000, 20_000))
    entry = store.entry("part")
    assert entry is not None
    assert sum(array["nbytes"] for array in entry.arrays) < 500_000
    assert get(store, "part", "r").equals(parent.slice(5_000, 20_000))


def test_what_polars_cannot_pickle_is_an_error_and_not_something_else(store: Store) -> None:
    polars = pytest.importorskip("polars")
    with pytest.raises(pickle.PicklingError, match="the value, a polars.series.series.Series"):
        put(store, "objects", polars.Series("a", [object()], dtype=polars.Object))


def test_torch_may_write_to_what_was_loaded_and_the_store_keeps_what_it_has(store: Store) -> None:
    torch = pytest.importorskip("torch")
    put(store, "tensor", torch.ones(50_000))
    for mode in MODES:
        loaded = get(store, "tensor", mode)
        loaded.add_(1)
        assert loaded.sum() == 100_000
    assert get(store, "tensor", "r").sum() == 50_000


def test_what_ray_hands_out_comes_back_as_it_was(store: Store) -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        there = ray.get(ray.put({"a": np.arange(100_000.0)}))
        put(store, "ray", there)
        loaded = get(store, "ray", "r")
        assert ray.get(ray.remote(lambda value: value["a"].sum()).remote(loaded)) == there["a"].sum()
    finally:
        ray.shutdown()
    assert np.array_equal(loaded["a"], np.arange(100_000.0))
