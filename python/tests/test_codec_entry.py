"""Values into entries and out of them: which encoding, and what is trusted."""

from __future__ import annotations

import os
import pathlib
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ndstash import codec, errors
from ndstash._core import Store
from ndstash.codec import Buffers


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return Store.open(str(tmp_path / "store"))


def put(store: Store, value: object, choice: Any = "auto", trust: codec.Pickles = "owned") -> str:
    writer = store.writer("value")
    codec.write(writer, value, choice, trust)
    writer.put()
    entry = store.entry("value")
    assert entry is not None
    return entry.encoding


def get(store: Store, choice: Any = "auto", trust: codec.Pickles = "owned", mode: Any = "r") -> Any:
    entry = store.entry("value")
    assert entry is not None
    return codec.read(entry, mode, choice, trust)


class Tagged:
    """A codec that nobody registered."""

    name = "tagged-1"

    def __init__(self, executes: bool) -> None:
        self.executes = executes

    def dumps(self, value: Any, /) -> tuple[bytes, list[Any]]:
        return b"tag", [value]

    def loads(self, data: Any, buffers: Buffers, /) -> Any:
        return bytes(data), np.frombuffer(memoryview(buffers[0])), np.frombuffer(memoryview(buffers.private(0)))


@pytest.mark.parametrize(
    ("value", "encoding"),
    [({"a": [1, 2.0, None]}, "tree"), ({"a": pathlib.PurePosixPath("b")}, "pickle-5"), (range(3), "pickle-5")],
)
def test_a_portable_value_is_not_pickled(store: Store, value: object, encoding: str) -> None:
    assert put(store, value) == encoding
    assert get(store) == value


def test_pickle_can_be_asked_for(store: Store) -> None:
    assert put(store, [1, 2], codec.resolve("pickle")) == "pickle-5"
    assert get(store) == [1, 2]


def test_what_is_not_portable_can_be_refused(store: Store) -> None:
    assert put(store, [1], "portable") == "tree"
    with pytest.raises(TypeError, match="a value of type range has no portable encoding"):
        put(store, range(3), "portable")
    with pytest.raises(TypeError, match='pathlib.PurePosixPath needs pickle-5, which pickle="never" rules out'):
        put(store, pathlib.PurePosixPath("a"), "auto", "never")
    assert get(store) == [1]


def test_what_cannot_be_pickled_is_an_error(store: Store) -> None:
    with pytest.raises(pickle.PicklingError, match="the value, a function"):
        put(store, lambda: 0)


def test_a_stream_is_bytes(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    writer = store.writer("value")
    with open(tmp_path / "file", "rb") as file:
        writer.stream(file)
    writer.put()
    assert get(store) == b"x" * 100_000


def test_a_codec_need_not_be_registered_where_it_is_given(store: Store) -> None:
    own = Tagged(executes=False)
    assert put(store, np.arange(20_000.0), own) == "tagged-1"
    with pytest.raises(errors.Unsupported, match="'tagged-1'"):
        get(store)
    data, array, _ = get(store, own)
    assert data == b"tag"
    assert array[5] == 5
    assert put(store, [1]) == "tree"
    assert get(store, own) == [1]
    assert put(store, range(3)) == "pickle-5"
    assert get(store, own) == range(3)


@pytest.mark.parametrize("mode", ["r", "c", None])
def test_a_codec_can_have_memory_of_its_own(store: Store, mode: Any) -> None:
    own = Tagged(executes=False)
    put(store, np.arange(20_000.0), own)
    _, array, private = get(store, own, mode=mode)
    assert array.flags.writeable == (mode != "r")
    private[:] = -1
    assert np.shares_memory(array, private) == (mode != "r")
    assert get(store, own)[1][5] == 5


@pytest.fixture
def open_to_all(store: Store) -> Iterator[Store]:
    """A store that everybody may write to, with a pickle in it."""
    put(store, range(3))
    os.chmod(store.path, 0o777)
    yield store
    os.chmod(store.path, 0o700)


def test_a_pickle_is_loaded_only_from_files_that_no_other_can_write(open_to_all: Store) -> None:
    with pytest.raises(errors.Untrusted, match='pickle-5 is not loaded from there without pickle="always"') as raised:
        get(open_to_all)
    assert open_to_all.path in str(raised.value)
    assert get(open_to_all, trust="always") == range(3)
    with pytest.raises(errors.Untrusted, match='pickle="never"'):
        get(open_to_all, trust="never")


def test_a_pickle_is_never_loaded_if_so_asked(store: Store) -> None:
    put(store, range(3))
    with pytest.raises(errors.Untrusted, match="the entry is encoded as pickle-5"):
        get(store, trust="never")


def test_trust_is_for_codecs_that_execute(open_to_all: Store) -> None:
    put(open_to_all, [1])
    assert get(open_to_all, trust="never") == [1]
    put(open_to_all, np.zeros(10), Tagged(executes=False), "never")
    assert get(open_to_all, Tagged(executes=False), "never")[0] == b"tag"
    with pytest.raises(errors.Untrusted):
        get(open_to_all, Tagged(executes=True))
    with pytest.raises(TypeError, match="tagged-1"):
        put(open_to_all, np.zeros(10), Tagged(executes=True), "never")


@pytest.mark.parametrize("encoding", ["auto", codec.PICKLE])
def test_a_damaged_array_is_noticed_where_it_is_read(store: Store, encoding: Any) -> None:
    put(store, np.arange(20_000.0), encoding)
    (blob,) = (path for path in (pathlib.Path(store.path) / "blobs").glob("*/*"))
    content = bytearray(blob.read_bytes())
    content[77] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(content)
    with pytest.raises(errors.Damaged):
        get(store, mode=None)
