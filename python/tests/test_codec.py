"""Codecs without a store: what stays in the pickle and what goes beside it, modes, registry, errors."""

from __future__ import annotations

import copyreg
import itertools
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ndstash import codec, errors
from ndstash.codec import PICKLE, Buffers, reducers, stream
from ndstash.codec.registry import executes


def through(value: object, mode: Any = "r") -> Any:
    data, buffers = PICKLE.dumps(value)
    return PICKLE.loads(data, Buffers.over([memoryview(part).tobytes("A") for part in buffers], mode))


# --- what goes where ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "beside"), [(reducers.SMALL - 1, 0), (reducers.SMALL, 1)])
def test_arrays_go_beside_the_pickle_from_a_size_on(size: int, beside: int) -> None:
    data, buffers = PICKLE.dumps(np.zeros(size, np.uint8))
    assert len(buffers) == beside
    assert len(data) < 200 + size * (1 - beside)


@pytest.mark.parametrize("size", [0, 1, stream.CUT - 1, stream.CUT, stream.CUT + 1, 5 * stream.CUT + 3])
@pytest.mark.parametrize("make", [bytes, bytearray, "a".__mul__, lambda size: "\u20ac" * (size // 3)])
def test_long_strings_are_cut_out_of_the_pickle(size: int, make: Callable[[int], Any]) -> None:
    value = make(size)
    data, buffers = PICKLE.dumps([value, 1, value])
    length = len(value.encode()) if isinstance(value, str) else len(value)
    assert len(buffers) == (length >= stream.CUT)
    assert len(data) < 100 + length * (length < stream.CUT)
    loaded = through([value, 1, value])
    assert loaded == [value, 1, value]
    assert type(loaded[0]) is type(value)
    assert loaded[0] is loaded[2] or size < 2


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_cut_out_string_is_not_copied(kind: type) -> None:
    value = kind(stream.CUT)
    _, buffers = PICKLE.dumps([value])
    assert buffers[0] is value


def test_a_long_pickle_without_long_strings_is_not_cut() -> None:
    value = [[i, str(i)] for i in range(50_000)]
    data, buffers = PICKLE.dumps(value)
    assert buffers == []
    assert len(data) > 10 * stream.CUT
    assert through(value) == value


@pytest.mark.parametrize("length", [stream.CUT - 9, stream.CUT, stream.CUT + 40])
@pytest.mark.parametrize("loose", [-1, 0, 1, 15, 16])
def test_a_string_may_look_like_a_frame_of_a_pickle(length: int, loose: int) -> None:
    value = b"\x95" + length.to_bytes(8, "little") + bytes(length + loose)
    assert through([value, b"x" * stream.CUT]) == [value, b"x" * stream.CUT]


def test_strings_arrays_and_buffers_of_others_do_not_get_mixed_up() -> None:
    parts: list[Any] = [b"b" * stream.CUT, np.arange(9000.0), pickle.PickleBuffer(bytearray(b"f" * 5000)), "t" * stream.CUT]
    for order in itertools.permutations(parts):
        loaded = through(list(order))
        for here, there in zip(loaded, order, strict=True):
            if isinstance(there, pickle.PickleBuffer):
                assert bytes(here) == b"f" * 5000
            else:
                assert type(here) is type(there)
                assert np.array_equal(here, there)


def test_a_small_buffer_of_somebody_else_stays_in_the_pickle() -> None:
    data, buffers = PICKLE.dumps(pickle.PickleBuffer(bytearray(b"small")))
    assert buffers == []
    assert PICKLE.loads(data, Buffers.over([], "r")) == bytearray(b"small")


@pytest.mark.parametrize(("size", "beside"), [(reducers.SMALL - 1, 0), (reducers.SMALL, 1)])
def test_buffers_of_somebody_else_go_beside_the_pickle_from_a_size_on(size: int, beside: int) -> None:
    value = pickle.PickleBuffer(bytearray(size))
    assert len(PICKLE.dumps(value)[1]) == beside
    assert bytes(through(value)) == bytes(size)


def test_a_buffer_of_somebody_else_follows_the_mode() -> None:
    value = pickle.PickleBuffer(bytearray(5000))
    assert [memoryview(through(value, mode)).readonly for mode in ("r", "c", None)] == [True, False, False]


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda array: array.reshape(90, 100),
    "Fortran": lambda array: array.reshape(90, 100).T,
    "permuted": lambda array: array.reshape(9, 10, 100).transpose(2, 0, 1),
    "with single axes": lambda array: array.reshape(90, 1, 100).transpose(2, 1, 0)[:, :, None],
    "times": lambda array: array.reshape(90, 100).view("M8[s]").T,
    "records": lambda array: array.reshape(90, 100).view("i4,f4").T,
    "of other byte order": lambda array: array.reshape(9, 10, 100).view(">f8").transpose(1, 2, 0),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_array_without_gaps_is_not_copied_and_keeps_its_layout(name: str) -> None:
    base = np.arange(9000.0)
    value = LAYOUTS[name](base)
    _, (memory,) = PICKLE.dumps({"a": value})
    assert np.shares_memory(np.asarray(memory), base)
    loaded = through(value)
    assert (loaded.dtype, loaded.shape) == (value.dtype, value.shape)
    assert [one for one, size in zip(loaded.strides, value.shape, strict=True) if size > 1] == [
        one for one, size in zip(value.strides, value.shape, strict=True) if size > 1
    ]
    assert loaded.tobytes() == value.tobytes()


@pytest.mark.parametrize("size", [1, 20])
def test_small_arrays_keep_their_layout_too(size: int) -> None:
    value = np.asfortranarray(np.arange(6.0 * size).reshape(2, 3 * size))
    for loaded in (through(value), codec.loads(codec.dumps(value))):
        assert np.array_equal(loaded, value) and loaded.strides == value.strides


def test_what_a_dtype_says_beside_its_kind_stays() -> None:
    kind = np.dtype("f8", metadata={"unit": "m"})
    for size in (3, 9000):
        assert through(np.zeros(size, kind)).dtype.metadata == {"unit": "m"}


class Noted(np.ma.MaskedArray[Any, Any]):
    """Pickles itself."""

    def __reduce__(self) -> Any:
        return Noted, (self.data.tolist(), [True, False])


def test_a_masked_array_that_pickles_itself_does_so() -> None:
    assert through(Noted([1, 2])).mask.tolist() == [True, False]


def test_a_string_that_is_shown_while_it_is_written_is_copied() -> None:
    sink, memory = stream.Sink(), bytearray(b"a" * stream.CUT)
    sink.write(b"the beginning")
    sink.write(memoryview(memory))
    memory[:] = b"b" * stream.CUT
    assert sink.finish(0)[1] == [b"a" * stream.CUT]


def test_an_array_met_twice_is_stored_once_and_is_one_again() -> None:
    value = np.arange(9000.0)
    _, buffers = PICKLE.dumps([value, value])
    loaded = through([value, value])
    assert len(buffers) == 1
    assert loaded[0] is loaded[1]


# --- modes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 10, 9000])
@pytest.mark.parametrize("kind", ["f8", "M8[s]", "U3", "i4,f8"])
@pytest.mark.parametrize("read_only", [False, True])
def test_all_arrays_are_read_only_or_all_are_writable(count: int, kind: str, read_only: bool) -> None:
    value = np.zeros(count, kind)
    value.flags.writeable = not read_only
    for mode in ("r", "c", None):
        loaded = through({"a": value, "b": np.ma.masked_array(value)}, mode)
        assert [one.flags.writeable for one in (loaded["a"], loaded["b"].data)] == [mode != "r"] * 2


@pytest.mark.parametrize("count", [10, 9000])
def test_read_only_is_for_good(count: int) -> None:
    loaded = through(np.arange(count))
    with pytest.raises(ValueError, match="WRITEABLE"):
        loaded.flags.writeable = True
    with pytest.raises(ValueError, match="WRITEABLE"):
        loaded.base.flags.writeable = True


@pytest.mark.parametrize("mode", ["c", None])
def test_writes_to_a_copy_do_not_reach_what_it_was_loaded_from(mode: Any) -> None:
    encoded = codec.dumps(np.arange(9000))
    codec.loads(encoded, mmap_mode=mode)[:] = 7
    assert codec.loads(encoded)[5] == 5


def test_a_fill_value_can_be_set_in_every_mode() -> None:
    value = np.ma.masked_array(np.arange(9000.0), fill_value=3.0)
    loaded = through(value, "r")
    (loaded + 1).fill_value = 9.0
    loaded.fill_value = 5.0
    assert loaded.fill_value == 5.0
    assert value.fill_value == 3.0


# --- without a store ---------------------------------------------------------------------------------------------


def test_bytes_and_back() -> None:
    value = {"a": np.arange(9000.0), "b": [1, None, "x"], "c": bytes(100_000)}
    loaded = codec.loads(codec.dumps(value))
    assert loaded["b"] == value["b"]
    assert loaded["c"] == value["c"]
    assert np.array_equal(loaded["a"], value["a"])
    assert loaded["a"].flags.writeable


@pytest.mark.parametrize("name", LAYOUTS)
def test_bytes_and_back_in_every_layout(name: str) -> None:
    value = LAYOUTS[name](np.arange(9000.0))
    loaded = codec.loads(codec.dumps(value))
    assert loaded.dtype == value.dtype and loaded.tolist() == value.tolist()


def test_loading_read_only_looks_at_the_bytes_themselves() -> None:
    encoded = np.frombuffer(bytearray(codec.dumps(np.arange(9000.0))), np.uint8)
    loaded = codec.loads(encoded, mmap_mode="r")
    assert np.shares_memory(loaded, encoded)
    assert not loaded.flags.writeable
    offset = loaded.__array_interface__["data"][0] - encoded.__array_interface__["data"][0]
    assert offset % 64 == 0


def test_bytes_that_are_cut_short_are_damaged() -> None:
    encoded = codec.dumps([np.arange(2000.0), bytes(70_000)])
    end = len(encoded) - (-70_000 % 64)  # What follows only fills up.
    for length in [*range(0, 200), *range(200, end, 5003), end - 1]:
        with pytest.raises(errors.Damaged):
            codec.loads(encoded[:length])


def test_bytes_of_no_parts_are_damaged() -> None:
    with pytest.raises(errors.Damaged, match="0 parts"):
        codec.loads(bytes(64))
    with pytest.raises(errors.Damaged, match="too short for what was cut out"):
        stream.Source(bytes(8) + (1000).to_bytes(4, "little"))


def test_data_that_does_not_go_with_its_buffers_is_damaged() -> None:
    data, buffers = PICKLE.dumps([bytes(stream.CUT), np.zeros(9000)])
    with pytest.raises(errors.Damaged, match="buffers"):
        PICKLE.loads(data, Buffers.over([], "r"))
    for length in range(len(data)):
        with pytest.raises((errors.Damaged, pickle.UnpicklingError, EOFError, ValueError, IndexError, OverflowError)):
            PICKLE.loads(data[:length], Buffers.over([bytes(memoryview(one)) for one in buffers], "r"))


# --- what cannot be pickled --------------------------------------------------------------------------------------


class Holder:
    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)


class Sullen:
    def __reduce__(self) -> Any:
        raise RuntimeError("I will not")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (threading.Lock(), "cannot pickle the value, a _thread.lock"),
        ({"a": [1, threading.Lock()]}, r"cannot pickle the value\['a'\]\[1\], a _thread.lock"),
        ([Holder(fine=1, bad=lambda: 0)], r"cannot pickle the value\[0\].bad, a function"),
        ((1, (i for i in range(3))), r"cannot pickle the value\[1\], a generator"),
        ({"k" * 200: sys}, r"cannot pickle the value\['k+\.\.\.\], a module"),
        ([Sullen()], r"cannot pickle the value\[0\], a test_codec.Sullen: I will not"),
        (frozenset([Sullen()]), r"cannot pickle the value \(an item\), a test_codec.Sullen"),
        ({Holder: 1, Holder(x=Sullen()): 2}, r"cannot pickle the value \(a key\).x, a test_codec.Sullen"),
        (np.array([1, sys], object), "cannot pickle the value, a numpy.ndarray"),
    ],
)
def test_the_error_names_what_cannot_be_pickled(value: object, text: str) -> None:
    with pytest.raises(pickle.PicklingError, match=text):
        PICKLE.dumps(value)


def test_attributes_are_not_blamed_where_they_are_not_what_is_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, Holder, Sullen.__reduce__)
    with pytest.raises(pickle.PicklingError, match="cannot pickle the value, a test_codec.Holder: I will not"):
        PICKLE.dumps(Holder(inner=Sullen()))


def test_too_little_memory_is_no_fault_of_the_value() -> None:
    class Huge:
        def __reduce__(self) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError):
        PICKLE.dumps([Huge()])


def test_what_is_nested_too_deeply_is_an_error() -> None:
    value: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 2):
        value = [value]
    with pytest.raises(pickle.PicklingError, match="nested too deeply"):
        PICKLE.dumps(value)


# --- own codecs --------------------------------------------------------------------------------------------------


class Repeated:
    """Stores a pair of a text and an array."""

    name = "repeated-1"
    executes = False

    def dumps(self, value: Any, /) -> tuple[bytes, list[Any]]:
        text, array = value
        return text.encode(), [array]

    def loads(self, data: Any, buffers: Buffers, /) -> Any:
        return bytes(data).decode(), np.frombuffer(memoryview(buffers[0]), "f8"), buffers.mode, len(buffers), len(list(buffers))


@pytest.fixture
def registered() -> Any:
    own = Repeated()
    codec.register(own)
    yield own
    from ndstash.codec import registry

    del registry._known[own.name]


def test_a_codec_of_ones_own(registered: Repeated) -> None:
    text, array, mode, *counts = codec.loads(codec.dumps(("a", np.arange(3.0)), registered), registered, mmap_mode="c")
    assert (text, array.tolist(), mode, counts) == ("a", [0.0, 1.0, 2.0], "c", [1, 1])
    assert codec.loads(codec.dumps(("", np.arange(3.0)), "repeated-1"), "repeated-1")[0] == ""


def test_codecs_are_known_by_name(registered: Repeated) -> None:
    assert codec.get("repeated-1") is codec.resolve("repeated-1") is codec.resolve(registered) is registered
    assert codec.get("pickle") is codec.get("pickle-5") is codec.resolve("pickle") is PICKLE
    assert codec.resolve("auto") == "auto"
    assert codec.resolve("portable") == "portable"
    codec.register(registered)
    with pytest.raises(errors.Invalid, match="another codec is registered"):
        codec.register(Repeated())


def test_a_codec_that_is_not_known_is_an_error() -> None:
    with pytest.raises(errors.Unsupported, match="no codec is registered for the encoding 'other'"):
        codec.get("other")
    with pytest.raises(errors.Invalid, match="no codec is called 'other': there are 'auto', 'portable', 'pickle'"):
        codec.resolve("other")


@pytest.mark.parametrize("name", ["", "a b", "tree", "pickle", "auto", "x" * 65, "\u00e4", None, 3])
def test_the_name_of_a_codec_is_a_word(name: Any) -> None:
    own = Repeated()
    own.name = name
    with pytest.raises(errors.Invalid, match="the name of a codec"):
        codec.register(own)


def test_what_has_no_dumps_is_no_codec() -> None:
    with pytest.raises(errors.Invalid, match="a codec has dumps and loads, and Holder has not"):
        codec.resolve(Holder(name="a"))  # type: ignore[arg-type]


def test_a_codec_executes_unless_it_says_otherwise() -> None:
    assert executes(PICKLE)
    assert not executes(Repeated())
    assert executes(Holder(name="a"))  # type: ignore[arg-type]
