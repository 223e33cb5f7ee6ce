"""The core module: values into a store and out of it."""

import errno
import gc
import io
import math
import pickle
import struct
import subprocess
import sys
import threading
import time
import weakref
from array import array as carray
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndstash import _core as core

MODES = ["r", "c", None]
DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> core.Store:
    return core.Store.open(tmp_path / "store")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> core.Store:
    """A store for tests that look at nothing but the value they put."""
    return core.Store.open(tmp_path_factory.mktemp("shared") / "store")


def put(store: core.Store, value: object, name: str = "value") -> core.Entry:
    writer = store.writer(name)
    assert writer.portable(value)
    assert writer.put() is not None
    entry = store.entry(name)
    assert entry is not None
    return entry


def same(a: Any, b: Any) -> bool:
    """Equal in type and in every bit, at every depth."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    return bool(a == b)


PLAIN: list[Any] = [
    None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 2**70, -(2**70), 10**400, -(10**400),
    0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, struct.unpack("d", b"\x01\0\0\0\0\0\xf8\xff")[0], 5e-324,
    0j, complex(-0.0, math.nan), "", "a", "\0", "\xe9\u20ac\U0001f600", b"", b"\0\xff", b"x" * 5000, b"y" * 300_000,
    [], (), {}, set(), frozenset(), [[]], [1, [2, (3, {4: [5]})]], (1,), {1, "a", None}, frozenset({(1, 2), frozenset({3})}),
    {1: "int", "1": "str", (1, 2): "tuple", None: 0, b"b": 1, 1.5: 2, frozenset({1}): 3, False: 4}, {"z": 1, "a": 2},
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:30])
def test_plain_values_come_back_as_they_were(shared: core.Store, value: Any, mode: core.MmapMode) -> None:
    assert core.is_portable(value)
    entry = put(shared, value)
    assert entry.encoding == "tree"
    assert same(entry.portable(mode), value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [3, 40_000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_every_type_come_back_in_every_mode(
    shared: core.Store, dtype: str, size: int, mode: core.MmapMode
) -> None:
    elements = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (2, size)).astype(dtype)
    for value in (elements, np.asfortranarray(elements)):
        loaded = put(shared, value).portable(mode)
        assert same(loaded, value)
        assert (loaded.flags.c_contiguous, loaded.flags.f_contiguous) == (value.flags.c_contiguous, value.flags.f_contiguous)
        assert loaded.flags.writeable == (mode != "r")
        assert loaded.flags.aligned
        assert loaded.flags.owndata == (mode is None)


def test_arrays_of_any_layout_are_taken(shared: core.Store) -> None:
    base = np.arange(24.0).reshape(2, 3, 4)
    frozen = base.copy()
    frozen.flags.writeable = False
    layouts = {
        "scalar": np.array(3.5), "empty": np.empty((0, 3)), "empty in the middle": np.empty((2, 0, 3), "int8"), "one": np.ones(1),
        "steps": base[:, ::2], "backwards": base[::-1, :, ::-1], "turned": base.transpose(1, 0, 2), "broadcast": np.broadcast_to(base[0, 0], (5, 4)),
        "thin": base[:, :1, :1], "many dimensions": np.ones((1,) * 32), "frozen": frozen, "F": np.asfortranarray(base), "longlong": np.arange(3, dtype="longlong"),
    }  # fmt: skip
    for name, value in layouts.items():
        for mode in MODES:
            loaded = put(shared, value).portable(mode)
            assert loaded.dtype == value.dtype and loaded.shape == value.shape, name
            assert np.array_equal(loaded, value), name
    entry = put(shared, [layouts["backwards"], layouts["F"]])
    assert [array["order"] for array in entry.arrays] == ["C", "F"]


class Sub:
    Int = type("Int", (int,), {})
    Str = type("Str", (str,), {})
    Dict = type("Dict", (dict,), {})
    List = type("List", (list,), {})
    Array = type("Array", (np.ndarray,), {})
    Point = namedtuple("Point", "x y")


SHARED = [1]
FOREIGN: dict[str, Any] = {
    "subclass of int": Sub.Int(1), "subclass of str": Sub.Str("a"), "subclass of dict": OrderedDict(a=1), "subclass of list": Sub.List(),
    "namedtuple": Sub.Point(1, 2), "subclass of array": np.ones(3).view(Sub.Array), "masked array": np.ma.ones(3), "object": object(), "class": int,
    "function": len, "numpy text": np.str_("a"), "bytearray": bytearray(b"a"), "memoryview": memoryview(b"a"), "range": range(3),
    "lone surrogate": "a\ud800", "dates": np.zeros(3, "datetime64[s]"), "structs": np.zeros(3, "i4,f4"), "objects": np.array([None]), "text": np.array(["a"]),
    "long double": np.zeros(3, "longdouble"), "other byte order": np.zeros(3, ">f8" if sys.byteorder == "little" else "<f8"),
    "bools that are neither": np.array([0, 2], "uint8").view(bool), "list met twice": [SHARED, SHARED], "array met twice": (array := np.ones(2), array),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_other_values_are_not_portable_and_nothing_is_written(shared: core.Store, name: str) -> None:
    for value in (FOREIGN[name], [1, {"a": (FOREIGN[name],)}]):
        assert not core.is_portable(value)
        writer = shared.writer("value")
        assert not writer.portable(value)
        assert writer.portable(1)
        writer.put()
    entry = shared.entry("value")
    assert entry is not None and entry.portable("r") == 1


def test_what_cannot_change_may_be_met_twice() -> None:
    shared = (1, "a", b"b" * 10_000, frozenset({1}))
    assert core.is_portable([shared, shared])


def nested(depth: int, kind: type = list) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = {"": value} if kind is dict else kind([value])
    return value


@pytest.mark.parametrize("kind", [list, tuple, dict, frozenset])
def test_depth_is_limited_and_does_not_overflow(shared: core.Store, kind: type) -> None:
    deepest = nested(60, kind)
    assert put(shared, deepest).portable("r") == deepest
    writer = shared.writer("meta")
    writer.meta("deepest", deepest)
    writer.portable(None)
    writer.put()
    assert shared.info("meta").meta == {"deepest": deepest}  # type: ignore[union-attr]
    for depth in (61, 1000, 100_000):
        value = nested(depth, kind)
        assert not core.is_portable(value)
        while depth:  # Python's own deallocation of such tuples goes deep, too.
            value, depth = next(iter(value.values() if kind is dict else value)), depth - 1


def test_a_list_that_holds_itself_is_not_portable() -> None:
    cycle: list[Any] = []
    cycle.append({"a": (cycle,)})
    assert not core.is_portable(cycle)


def test_values_too_many_for_a_manifest_are_not_portable(store: core.Store) -> None:
    assert core.is_portable([0] * 1_000_000)
    assert not core.is_portable([0] * 1_100_000)
    assert not core.is_portable("x" * (17 << 20))
    assert same(put(store, b"x" * (17 << 20)).portable("r"), b"x" * (17 << 20)), "bytes lie beside the manifest"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.binary() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(st.characters(codec="utf-8")) | st.integers(), inner),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(value=VALUES)
def test_any_plain_value_comes_back(shared: core.Store, value: Any) -> None:
    assert same(put(shared, value).portable("r"), value)


# --- buffers -----------------------------------------------------------------------------------------------------


def test_an_array_that_is_a_blob_knows_its_name(store: core.Store) -> None:
    value = np.arange(20_000.0)
    loaded = put(store, value).portable("r")
    buffer = loaded.base
    assert type(buffer) is core.Buffer
    assert buffer.mapped and not buffer.writable and buffer.nbytes == len(buffer) == value.nbytes
    assert buffer.digest == core.digest(value)
    assert Path(str(buffer.store)) == Path(store.path)
    address = loaded.ctypes.data
    assert core.known(buffer, address, loaded.nbytes) == buffer.digest
    assert core.known(buffer, address + 8, loaded.nbytes - 8) is None
    assert core.known(buffer, address, loaded.nbytes - 8) is None
    reader = core.Store.open(store.path, read_only=True).entry("value")
    assert reader is not None and reader.portable("r").base.store is None
    for mode in ("c", None):
        other = store.buffer(str(buffer.digest), value.nbytes, mode, store.boot)
        assert other is not None and other.digest is None and other.writable
        assert core.known(other, np.frombuffer(other, "u1").ctypes.data, other.nbytes) is None


def test_known_arrays_are_stored_again_without_their_bytes(store: core.Store, tmp_path: Path) -> None:
    loaded = put(store, np.arange(20_000.0)).portable("r")
    for again in (loaded, loaded.reshape(100, 200), loaded.view("int64"), loaded[:].T):
        writer = store.writer("again")
        writer.portable([again])
        assert writer.put() == {"new_blobs": 0, "new_bytes": 0, "shared_blobs": 1, "shared_bytes": 160_000}
    part = store.writer("part")
    part.portable(loaded[1:])
    assert part.put() == {"new_blobs": 1, "new_bytes": 159_992, "shared_blobs": 0, "shared_bytes": 0}
    other = core.Store.open(tmp_path / "other")
    assert np.array_equal(put(other, loaded).portable(None), np.arange(20_000.0))


def test_a_known_array_whose_blob_was_collected_is_stored_all_the_same(store: core.Store) -> None:
    value = np.arange(20_000.0)
    loaded = put(store, value).portable("r")
    assert store.remove("value") and store.gc()["blobs_removed"] == 1
    assert np.array_equal(loaded, value)
    assert store.buffer(core.digest(value), value.nbytes, "r", store.boot) is None
    assert np.array_equal(put(store, loaded, "again").portable(None), value)


def test_writes_to_private_arrays_reach_nobody(store: core.Store) -> None:
    value = np.zeros(20_000)
    entry = put(store, value)
    for mode in ("c", None):
        entry.portable(mode)[:] = 7
    small = put(store, np.zeros(3), "small")
    small.portable("c")[:] = 7
    assert not entry.portable("r").any() and not small.portable("r").any()
    assert store.verify()["problems"] == []


def test_memory_stays_when_everything_else_is_gone(store: core.Store) -> None:
    value = np.arange(20_000.0)
    loaded = {mode: put(store, value).portable(mode) for mode in MODES}
    buffer, stream = loaded["r"].base, put(store, b"x" * 100_000).stream()
    store.remove("value")
    store.gc()
    del store
    gc.collect()
    for array in loaded.values():
        assert np.array_equal(array, value)
    assert bytes(memoryview(buffer)[:8]) == value[:1].tobytes() and stream.read() == b"x" * 100_000


def test_a_buffer_is_flat_bytes_and_can_be_referred_to_weakly(store: core.Store) -> None:
    buffer = put(store, np.arange(6, dtype="int32").reshape(2, 3)).portable("r").base
    view = memoryview(buffer)
    assert (view.format, view.ndim, view.nbytes, view.readonly) == ("B", 1, 24, True)
    with pytest.raises(TypeError):
        view[0] = 1
    with pytest.raises((TypeError, ValueError, BufferError)):
        np.frombuffer(buffer, "u1").flags.writeable = True
    found = weakref.ref(buffer)
    assert found() is buffer
    del buffer, view
    gc.collect()
    assert found() is None


def test_bfloat16_has_the_type_of_another_package(store: core.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = store.array("bfloat16", [40_000])
    np.frombuffer(canvas.buffer, "uint16")[:] = 0x3F80
    canvas.seal()
    writer = store.writer("value")
    writer.canvas(canvas)
    writer.put()
    entry = store.entry("value")
    assert entry is not None
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    for mode in MODES:
        with pytest.raises(core.Unsupported, match="ml_dtypes"):
            entry.portable(mode)
    package = type(sys)("ml_dtypes")
    package.bfloat16 = np.int16  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ml_dtypes", package)
    for mode in MODES:
        loaded = entry.portable(mode)
        assert loaded.dtype == np.int16 and (loaded == 0x3F80).all()


# --- payloads, streams, canvases ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_payload_comes_back_with_its_buffers(store: core.Store, mode: core.MmapMode) -> None:
    table = np.asfortranarray(np.arange(40_000.0).reshape(200, 200))
    known = put(store, np.arange(30_000), "known").portable("r")
    buffers = [table, pickle.PickleBuffer(known), b"tail", memoryview(carray("f", [1, 2])), np.zeros(3, "longdouble"), b"", np.zeros(2, ">i4")]
    writer = store.writer("value")
    writer.payload("pickle-5", bytearray(b"stream"), buffers)
    assert writer.put() == {"new_blobs": 1, "new_bytes": 320_000, "shared_blobs": 1, "shared_bytes": 240_000}
    entry = store.entry("value")
    assert entry is not None and entry.encoding == "pickle-5"
    found = [(array["dtype"], array["shape"], array["order"]) for array in entry.arrays[1:]]
    assert found[:4] == [("float64", (200, 200), "F"), ("int64", (30_000,), "C"), ("uint8", (4,), "C"), ("float32", (2,), "C")]
    assert {dtype for dtype, _, _ in found[4:]} == {"uint8"}
    data, loaded = entry.payload(mode)
    assert bytes(data) == b"stream" and len(loaded) == len(buffers)
    for one, other in zip(loaded, buffers, strict=True):
        assert one.writable == (mode != "r")
        assert bytes(one) == memoryview(other).tobytes("A")
    private = entry.writable(0)
    np.frombuffer(private, "u1")[:] = 1
    assert private.writable and bytes(entry.payload("r")[1][0]) == table.tobytes("F")
    with pytest.raises(IndexError):
        entry.writable(len(buffers))


def test_a_payload_is_no_portable_value_and_the_other_way_round(store: core.Store) -> None:
    writer = store.writer("value")
    with pytest.raises(core.Invalid, match="another word"):
        writer.payload("tree", b"", [])
    with pytest.raises(core.Invalid):
        writer.payload("no word", b"", [])
    with pytest.raises(core.Invalid, match="gaps"):
        writer.payload("own", b"", [np.ones((4, 4))[:, ::2]])
    writer.payload("own", b"", [])
    writer.put()
    entry = store.entry("value")
    assert entry is not None and bytes(entry.payload("r")[0]) == b""
    for load in (lambda: entry.portable("r"), entry.stream):
        with pytest.raises(core.Unsupported, match="own"):
            load()
    listed = put(store, [b"x" * 5000])
    for load in (lambda: listed.payload("r"), lambda: listed.writable(0), listed.stream):
        with pytest.raises(core.Unsupported):
            load()


class Pipe(io.RawIOBase):
    """Yields its bytes a few at a time, and cannot go back."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        return self.content.readinto(memoryview(target)[:1000])


@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_a_stream_is_read_to_its_end_from_where_it_is(store: core.Store, size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    seekable = io.BytesIO(b"head" + content)
    seekable.seek(4)
    for file in (seekable, Pipe(content)):
        writer = store.writer("value")
        writer.stream(file)  # type: ignore[arg-type]
        writer.put()
        entry = store.entry("value")
        assert entry is not None and entry.portable("r") == content
        with entry.stream() as stream:
            assert stream.read(3) == content[:3] and stream.tell() == min(3, size)
            assert stream.read() == content[3:] and stream.read() == b""
            assert stream.seek(-2, io.SEEK_END) == max(size - 2, 0) if size >= 2 else True
            stream.seek(0)
            assert b"".join(iter(lambda: stream.read(70_001), b"")) == content
        with pytest.raises(ValueError):
            stream.read()


def test_what_a_stream_raises_comes_through_and_the_writer_can_be_used_again(store: core.Store) -> None:
    class Broken(io.RawIOBase):
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def read(self, size: int = -1) -> Any:
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

    writer = store.writer("value")
    for answer, error in ((KeyError("mine"), KeyError), ("text", TypeError), (None, TypeError), (b"x" * (64 << 20), core.Invalid)):
        with pytest.raises(error):
            writer.stream(Broken(answer))  # type: ignore[arg-type]
    writer.stream(io.BytesIO(b"good"))
    writer.put()
    assert store.entry("value").portable("r") == b"good"  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [4, 100_000])
def test_an_array_is_produced_in_place(store: core.Store, size: int) -> None:
    canvas = store.array("float32", (2, size))
    assert (canvas.dtype, canvas.shape, canvas.buffer.nbytes, canvas.buffer.writable) == ("float32", (2, size), 8 * size, True)
    array = np.frombuffer(canvas.buffer, "float32").reshape(2, size)
    assert not array.any()
    array[:] = np.arange(2 * size).reshape(2, size)
    writer = store.writer("value")
    with pytest.raises(core.Invalid, match="sealed"):
        writer.canvas(canvas)
    canvas.seal()
    with pytest.raises(core.Invalid):
        canvas.seal()
    writer.canvas(canvas)
    with pytest.raises(core.Invalid):
        store.writer("other").canvas(canvas)
    writer.put()
    assert np.array_equal(array, np.arange(2 * size).reshape(2, size)), "still there"
    array[:] = 7
    loaded = store.entry("value").portable(None)  # type: ignore[union-attr]
    assert np.array_equal(loaded, np.arange(2 * size, dtype="float32").reshape(2, size))
    assert store.verify()["problems"] == []


def test_a_canvas_that_is_dropped_leaves_nothing_but_what_is_looked_at(store: core.Store) -> None:
    canvas = store.array("float64", [100_000])
    array = np.frombuffer(canvas.buffer)
    array[:] = 1
    canvas.drop()
    with pytest.raises(core.Invalid):
        canvas.seal()
    del canvas
    gc.collect()
    array += 1
    assert (array == 2).all() and store.usage()["blobs"] == 0
    with pytest.raises(core.Invalid):
        store.array("object", [1])
    with pytest.raises(OverflowError):
        store.array("int8", [-1])


# --- writers -----------------------------------------------------------------------------------------------------


def test_a_writer_takes_one_value_and_is_put_once(store: core.Store) -> None:
    writer = store.writer("value")
    with pytest.raises(core.Invalid, match="set before"):
        writer.put()
    writer.portable(1)
    with pytest.raises(core.Invalid, match="once"):
        writer.portable(2)
    assert writer.put() is not None
    for call in (writer.put, lambda: writer.tag("late"), lambda: writer.portable(1)):
        with pytest.raises(core.Invalid):
            call()


def test_a_value_is_put_only_if_what_is_there_is_expected(store: core.Store) -> None:
    def attempt(value: int, expect: Any) -> bool:
        writer = store.writer("value")
        writer.portable(value)
        return writer.put(expect=expect) is not None

    assert attempt(1, "absent") and not attempt(2, "absent")
    first = store.info("value")
    assert attempt(3, first) and not attempt(4, first)
    entry = store.entry("value")
    assert entry is not None and entry.portable("r") == 3
    assert attempt(5, entry) and attempt(6, "any")
    for wrong in ("same", None, 1):
        with pytest.raises(core.Invalid):
            attempt(7, wrong)


def test_labels_and_times_are_those_given(store: core.Store) -> None:
    writer = store.writer("value")
    writer.tag("a")
    writer.tag("\xe9")
    writer.meta("plain", {"x": [1, (2.5, None)], "bytes": b"x" * 5000})
    writer.expires_in(3600)
    writer.compute_time(1.25)
    writer.pin(True)
    for wrong in (np.ones(3), object(), [SHARED, SHARED]):
        with pytest.raises(core.Invalid, match="metadata"):
            writer.meta("wrong", wrong)
    for call in (writer.expires_in, writer.compute_time, writer.created):
        with pytest.raises(core.Invalid):
            call(math.nan)
    with pytest.raises(core.Invalid):
        writer.compute_time(-1)
    with pytest.raises(core.Invalid, match="surrogates"):
        writer.tag("\udc00")
    writer.portable(np.ones((2, 3)))
    writer.put()
    info = store.info("value")
    assert info is not None
    assert (info.tags, info.meta) == (["a", "\xe9"], {"plain": {"x": [1, (2.5, None)], "bytes": b"x" * 5000}})
    assert info.expires is not None and info.expires - info.created == pytest.approx(3600, abs=60)
    assert (info.compute_time, info.pinned, info.name, info.encoding) == (1.25, True, "value", "tree")
    assert (info.namespace, info.function, info.version, info.parts) == (None, None, None, None)
    assert info.key == core.Key.of_name("value") and info.description == "float64 (2, 3)"
    assert info.arrays == [
        {"dtype": "float64", "shape": (2, 3), "order": "C", "nbytes": 48, "digest": core.digest(np.ones(6)), "inline": True}
    ]
    never = store.writer("never")
    never.expires_in(math.inf)
    never.portable(1)
    never.put()
    assert store.info("never").expires is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("when", "created"), [(1.5e9, 1.5e9), (0, 0), (-0.5, -0.5), (math.inf, None), (-math.inf, -(2.0**63) / 1e9)]
)
def test_a_value_may_be_older_than_its_entry(store: core.Store, when: float, created: float | None) -> None:
    writer = store.writer("value")
    writer.created(when)
    writer.portable(1)
    writer.put()
    info = store.info("value")
    assert info is not None
    assert info.created == pytest.approx(time.time() if created is None else created, abs=60)


@pytest.mark.parametrize(
    ("value", "words"),
    [(1, "1"), ("text", "'text'"), (None, "None"), ([1, 2, 3, 4], "list of 4: 1, 2, 3, ..."), ((), "tuple of 0"), ({"a": np.ones(3)}, "{'a': float64 (3,)}"), (1j, "(0.0+1.0j)"), (b"abc", "3 bytes"), (b"x" * 5000, "5000 bytes")],
)  # fmt: skip
def test_a_value_is_described_in_a_few_words(shared: core.Store, value: Any, words: str) -> None:
    assert put(shared, value).description == words


# --- stores and errors -------------------------------------------------------------------------------------------


def test_paths_of_every_kind_open_the_same_store(tmp_path: Path) -> None:
    name = b"s\xff\xc3\xa9"
    raw = bytes(tmp_path) + b"/" + name
    store = core.Store.open(raw)
    put(store, 1)
    text = raw.decode("utf-8", "surrogateescape")
    assert store.path == text
    for path in (text, Path(text), raw):
        assert core.Store.open(path, create=False, read_only=True).info("value") is not None
    for wrong in (1, None, 1.5):
        with pytest.raises(TypeError):
            core.Store.open(wrong)  # type: ignore[arg-type]
    with pytest.raises((core.Error, ValueError)):
        core.Store.open("a\0b")


def test_errors_say_what_was_done_to_which_path(store: core.Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(core.Invalid, match=str(file)):
        core.Store.open(file)
    with pytest.raises(core.Invalid):
        core.Store.open(tmp_path / "nothing", create=False)
    with pytest.raises(core.IOFailed) as missing:
        core.digest_file(tmp_path / "nothing")
    assert missing.value.errno == errno.ENOENT
    assert missing.value.filename == missing.value.path == str(tmp_path / "nothing")
    assert str(missing.value).count(str(tmp_path)) == 1 and "cannot" in str(missing.value)
    reader = core.Store.open(store.path, read_only=True)
    assert reader.read_only and not store.read_only
    writer = reader.writer("value")
    writer.portable(1)
    with pytest.raises(core.Unsupported, match="read-only") as refused:
        writer.put()
    assert refused.value.path == store.path


def test_errors_are_exceptions_like_others() -> None:
    assert issubclass(core.Busy, TimeoutError) and issubclass(core.IOFailed, OSError)
    assert issubclass(core.Invalid, ValueError) and issubclass(core.TooLarge, ValueError)
    for kind in (core.Error, core.Damaged, core.Busy, core.Unsupported, core.TooLarge, core.Invalid, core.IOFailed):
        error = kind("text")
        assert str(error) == "text" and error.path is None
        error.path = "/somewhere"
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is kind and (str(back), back.path) == ("text", "/somewhere")
    error = pickle.loads(pickle.dumps(core.IOFailed(2, "cannot open", "/f")))
    assert (error.errno, error.filename) == (2, "/f")


def test_damage_is_told(store: core.Store) -> None:
    entry = put(store, np.arange(20_000.0))
    digest = entry.arrays[0]["digest"]
    blob = Path(store.path) / "blobs" / digest[:2] / digest
    blob.chmod(0o644)
    blob.write_bytes(bytes(160_000))
    reader = core.Store.open(store.path, memory_map=False)
    with pytest.raises(core.Damaged) as damaged:
        found = reader.entry("value")
        assert found is not None
        found.portable(None)
    assert damaged.value.path == str(blob)
    assert any(digest in problem for problem in store.verify()["problems"])


def test_a_value_over_the_limit_is_refused(store: core.Store) -> None:
    assert store.limits() == {"bytes": None, "entries": None, "age": None, "policy": "lru"}
    assert store.set_limits(bytes=100_000, policy="cost", age=1.5) == {"bytes": 100_000, "entries": None, "age": 2, "policy": "cost"}
    with pytest.raises(core.TooLarge):
        put(store, np.zeros(20_000))
    for wrong in ({"size": 1}, {"bytes": "many"}):
        with pytest.raises(TypeError):
            store.set_limits(**wrong)
    for wrong in ({"policy": "best"}, {"age": -1.0}, {"age": math.nan}):
        with pytest.raises(core.Invalid):
            store.set_limits(**wrong)
    assert store.set_limits(bytes=None, age=None)["bytes"] is None


def test_stores_are_collected_merged_and_verified(store: core.Store, tmp_path: Path) -> None:
    put(store, np.arange(20_000.0), "a")
    put(store, np.arange(30_000.0), "b")
    store.remove("a")
    assert store.gc()["bytes_freed"] == 160_000
    other = core.Store.open(tmp_path / "other")
    assert other.merge(store)["entries_copied"] == 1 and other.merge(store)["entries_same"] == 1
    seen: list[tuple[int, int]] = []
    report = other.verify(progress=lambda done, total: seen.append((done, total)))
    assert (report["blobs"], report["bytes"], report["problems"]) == (1, 240_000, [])
    assert seen[-1] == (240_000, 240_000)
    with pytest.raises(KeyError):
        other.verify(progress=lambda done, total: {}[done])
    assert other.usage()["entries"] == 1 and other.cull()["evicted"] == 0


def test_digests_are_blake3(tmp_path: Path) -> None:
    empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert core.digest(b"") == core.digest(np.empty(0)) == core.digest(memoryview(b"")) == empty
    large = np.arange(300_000)
    (tmp_path / "file").write_bytes(large.tobytes())
    assert core.digest(large) == core.digest_file(tmp_path / "file") == core.digest(bytearray(large.tobytes()))
    with pytest.raises(core.Invalid, match="gaps"):
        core.digest(large[::2])
    with pytest.raises(TypeError):
        core.digest("text")  # type: ignore[arg-type]


# --- threads -----------------------------------------------------------------------------------------------------


def progress_meanwhile(work: Any) -> int:
    """How often another thread got on while work was done."""
    count, done = 0, threading.Event()

    def tick() -> None:
        nonlocal count
        while not done.is_set():
            count += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)  # No thread is made to give the lock away.
    thread = threading.Thread(target=tick)
    try:
        thread.start()
        before = count
        work()
        return count - before
    finally:
        done.set()
        sys.setswitchinterval(interval)
        thread.join()


def test_work_that_keeps_the_interpreter_lock_lets_nobody_else_get_on() -> None:
    assert progress_meanwhile(lambda: sum(range(100_000))) == 0


def test_the_interpreter_lock_is_released_while_hashing_writing_and_reading(store: core.Store) -> None:
    large = np.zeros(16 << 20, "uint8")
    put(store, large, "there")
    entry = store.entry("there")
    assert entry is not None
    works = {
        "digest": lambda: core.digest(large),
        "key": lambda: core.Key.of_item("n", large, describe=repr),
        "bytes": lambda: core.canonical(large.tobytes(), repr),
        "put": lambda: put(store, large, "value"),
        "load": lambda: entry.portable(None),
    }
    for name, work in works.items():
        # On a loaded machine the other thread may not be given a core in time: once is enough.
        assert any(progress_meanwhile(work) for _ in range(50)), name


def test_many_threads_may_use_one_store(store: core.Store) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                value = {"n": number, "a": np.full(10_000, step)}
                assert same(put(store, value, f"{number}").portable("r"), value)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("size", [1 << 20, 3 << 20, 5 << 20])
def test_a_blob_is_what_its_name_says_whoever_writes_to_the_array_meanwhile(store: core.Store, size: int) -> None:
    """Whether it is hashed before it is written, in one piece or in several, or while it is."""
    array, stop = np.zeros(size, "uint8"), threading.Event()

    def scribble() -> None:
        while not stop.is_set():
            array[:] += 1

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for number in range(5):
            put(store, array, f"{number}")
    finally:
        stop.set()
        thread.join()
    assert store.verify()["problems"] == []


PEAK = """
import sys
from pathlib import Path
from ndstash import _core as core

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

store = core.Store.open(sys.argv[1])
store.entry("small").portable(None).sum()
before = peak()
array = store.entry("large").portable(None)
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for the peak of its memory")
def test_a_load_takes_no_more_memory_than_the_array(store: core.Store, tmp_path: Path) -> None:
    size = 64 << 20
    put(store, np.ones(1 << 10), "small")
    put(store, np.arange(size // 8), "large")
    run = subprocess.run([sys.executable, "-c", PEAK, tmp_path / "store"], capture_output=True, text=True, check=True)
    assert int(run.stdout) << 10 < size * 1.2
