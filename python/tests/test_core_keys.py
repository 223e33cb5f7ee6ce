"""The core module: keys, against a program that shares nothing with it but the text of the format."""

import gc
import importlib.util
import json
import math
import pickle
import struct
import weakref
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndstash import _core as core

ROOT = Path(__file__).parents[2]


def _load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("canonical_key", ROOT / "tools" / "canonical_key.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


maker = _load_maker()


def refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no encoding")


def encoded(value: object) -> str:
    return core.canonical(value, refuse).hex()


TABLE: list[Any] = [
    None, True, False, 0, 1, -1, 127, 128, -128, -129, 255, 256, 2**63 - 1, 2**63, -(2**63), 2**64, 2**64 - 1, 10**100, -(10**100),
    0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, struct.unpack("d", b"\x01\0\0\0\0\0\xf8\xff")[0], 5e-324, 0j, complex(-0.0, math.nan),
    "", "a", "\0", "\xe9\u20ac\U0001f600", "x" * 100, b"", b"x" * 64, b"x" * 65, b"y" * 300_000,
    [], (), {}, set(), frozenset(), [[]], [1, [2, (3, {4: [5]})]], {1, "a", None}, frozenset({(1, 2), frozenset({3})}),
    {1: "int", "1": "str", (1, 2): "tuple", None: 0, b"b": 1, 1.5: 2, frozenset({1}): 3}, {"z": 1, "a": 2}, {f"{n}": n for n in range(300)},
    *(np.dtype(name).type(1) for name in ("bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64", "complex128")),
    np.longlong(7), np.ulonglong(7), np.intc(7), np.float64(math.nan),
    np.array(3.5), np.empty((0, 3)), np.arange(5), np.arange(8, dtype="int8"), np.arange(9.0), np.ones((3, 4), bool), np.ones(7, "float16"),
    np.arange(24.0).reshape(2, 3, 4), np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)), np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    np.arange(24.0)[::-2], np.broadcast_to(np.arange(3), (5, 3)), np.array([-0.0, math.nan]), np.arange(3, dtype="longlong"),
    np.asfortranarray(np.arange(90_000.0).reshape(300, 300)), np.arange(90_000, dtype="complex64")[::3], [np.ones(3), {"a": np.zeros(20_000)}],
]  # fmt: skip


@pytest.mark.parametrize("value", TABLE, ids=lambda value: f"{type(value).__name__} {value!r}"[:40])
def test_every_value_is_encoded_as_the_format_says(value: Any) -> None:
    assert encoded(value) == maker.encode(value).hex()
    assert core.Key.of_item("n", value, describe=refuse).digest == maker.call_key("n", parts=[("", value)]).hex()


SCALARS = st.sampled_from(["int8", "uint64", "float16", "float32", "float64", "complex128"]).flatmap(
    lambda name: st.binary(min_size=16, max_size=16).map(lambda raw: np.frombuffer(raw, name)[0])
)
ARRAYS = st.binary(max_size=96).map(lambda raw: np.frombuffer(raw[: len(raw) // 8 * 8], "float64"))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.binary(max_size=80) | st.text(st.characters(codec="utf-8"))
HASHABLE = st.recursive(LEAVES, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
VALUES = st.recursive(
    LEAVES | SCALARS | ARRAYS,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(HASHABLE, inner) | st.sets(HASHABLE),
    max_leaves=20,
)


@settings(deadline=None, max_examples=300)
@given(value=VALUES)
def test_any_value_is_encoded_as_the_format_says(value: Any) -> None:
    try:
        expected = maker.encode(value).hex()
    except ValueError:  # Every NaN is one, so two as keys are equal.
        with pytest.raises(core.Invalid, match="equal"):
            encoded(value)
    else:
        assert encoded(value) == expected


def test_the_vectors_of_the_format_hold() -> None:
    vectors = json.loads((ROOT / "tests/vectors/keys.json").read_text())
    for case in vectors["values"]:
        try:
            value = of_core(maker.from_json(case["value"]))
        except LookupError:
            continue
        assert encoded(value) == case["encoding"], case["name"]
    for call in vectors["calls"]:
        try:
            args = {name: of_core(maker.from_json(value)) for name, value in call["parts"]}
        except LookupError:
            continue
        key = core.Key.of_call(call["namespace"], call["function"], call["version"], args, describe=refuse)
        assert key.digest == call["key"], call
    for case in vectors["rounding"]:
        value = maker.float_from_json(case["value"])
        if "decimals" in case:
            rounding = core.Rounding.decimals(case["decimals"])
        else:
            rounding = core.Rounding.significant(case["significant"])
        assert core.canonical(value, refuse, rounding)[1:] == maker.float_bits(maker.float_from_json(case["rounded"])), case


def of_core(value: Any) -> Any:
    """A value of the vectors; LookupError for what Python has no value of."""
    if isinstance(value, maker.Array):
        if value.dtype == "bfloat16":
            raise LookupError
        return np.frombuffer(value.elements, value.dtype).reshape(value.shape)
    if isinstance(value, maker.File):
        return core.Content(value.digest.hex())
    if isinstance(value, maker.Named):
        return core.Named(value.name, of_core(value.value))
    if isinstance(value, maker.Pairs):
        made = {of_core(key): of_core(item) for key, item in value}
        if len(made) != len(value):
            raise LookupError
        return made
    if isinstance(value, maker.Items):
        items = {of_core(item) for item in value}
        if len(items) != len(value):
            raise LookupError
        return frozenset(items) if value.frozen else items
    if isinstance(value, (list, tuple)):
        return type(value)(map(of_core, value))
    return value


# --- what is described -------------------------------------------------------------------------------------------


class Point:
    def __init__(self, x: Any) -> None:
        self.x = x


def describe(value: object) -> object:
    if isinstance(value, Point):
        return core.Named("Point", {"x": value.x})
    return refuse(value)


def test_what_has_no_encoding_is_described_at_every_depth() -> None:
    point = [Point(1), {"a": (Point(Point("x")),)}]
    named = [core.Named("Point", {"x": 1}), {"a": (core.Named("Point", {"x": core.Named("Point", {"x": "x"})}),)}]
    assert core.canonical(point, describe) == core.canonical(named, refuse)
    assert core.canonical(core.Named("a", 1), refuse) == maker.encode(maker.Named("a", 1))


@pytest.mark.parametrize(
    "value",
    [
        type("Int", (int,), {})(1), type("Str", (str,), {})("a"), OrderedDict(), type("List", (list,), {})(), bytearray(), memoryview(b""), object(), int, len, range(3),
        np.ma.ones(2), np.zeros(2, "datetime64[s]"), np.zeros(2, "i4,f4"), np.array([None]), np.array(["a"]), np.zeros(2, "longdouble"), np.zeros(2, ">f8"),
        np.longdouble(1), np.datetime64("2020-01-01"), np.str_("a"), np.bytes_(b"a"), np.void(b"a"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_exact_types_alone_have_an_encoding_of_their_own(value: Any) -> None:
    seen = []

    def note(found: object) -> object:
        seen.append(found)
        return core.Named("seen", None)

    assert core.canonical([value], note) == maker.encode([maker.Named("seen", None)])
    assert len(seen) == 1 and seen[0] is value
    with pytest.raises(TypeError, match=type(value).__name__):
        encoded({"a": value})


def test_what_describing_raises_comes_through() -> None:
    class Mine(Exception):
        pass

    def fail(value: object) -> object:
        raise Mine(value)

    marker = object()
    for call in (
        lambda: core.canonical((marker,), fail),
        lambda: core.Key.of_item("n", {"a": marker}, describe=fail),
        lambda: core.Key.of_call("n", None, None, {"x": marker}, describe=fail),
    ):
        with pytest.raises(Mine) as raised:
            call()
        assert raised.value.args[0] is marker


def test_a_known_content_stands_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    content = core.Content(core.digest_file(tmp_path / "file"), path=str(tmp_path / "file"))
    assert core.canonical(content, refuse) == maker.encode(maker.File(bytes.fromhex(content.digest)))
    key = core.Key.of_call("n", None, None, {"x": content}, describe=refuse)
    assert key.parts == {"x": {"path": str(tmp_path / "file"), "content": content.digest}}
    assert (content.path, core.Content(content.digest).path) == (str(tmp_path / "file"), None)
    with pytest.raises(core.Invalid):
        core.Content("no digest")


def test_arrays_of_a_store_are_not_hashed_again(tmp_path: Path) -> None:
    value = np.arange(20_000.0)
    store = core.Store.open(tmp_path / "store")
    writer = store.writer("value")
    writer.portable(value)
    writer.put()
    entry = store.entry("value")
    assert entry is not None
    loaded = entry.portable("r")
    expected = encoded(value)
    assert encoded(loaded) == expected
    # That it was not hashed shows where the name of a blob is wrong.
    blob = Path(store.path) / "blobs" / loaded.base.digest[:2] / loaded.base.digest
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.write(b"changed!")
    assert encoded(loaded) == expected
    assert encoded(loaded.copy()) != expected
    assert encoded(loaded.reshape(100, 200).T) != encoded(np.arange(20_000.0).reshape(100, 200).T), "another order is read"
    assert encoded(loaded[1:]) == encoded(np.arange(1.0, 20_000.0))


# --- what cannot be ----------------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_limited_and_does_not_overflow() -> None:
    assert encoded(nested(64)) == maker.encode(nested(64)).hex()
    for depth in (65, 100_000):
        with pytest.raises(core.Invalid, match="deep"):
            encoded(nested(depth))
    with pytest.raises(core.Invalid, match="deep"):
        core.canonical(object(), lambda value: object())
    with pytest.raises(core.Invalid, match="deep"):
        core.canonical(object(), lambda value: core.Named("again", object()))
    points: Any = 0
    for _ in range(1000):
        points = Point(points)
    with pytest.raises(core.Invalid, match="deep"):
        core.canonical(points, describe)


def test_what_holds_itself_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append({"a": (cycle,)})
    point = Point(None)
    point.x = [point]
    for value in (cycle, point):
        with pytest.raises(TypeError, match="holds itself"):
            core.canonical(value, describe)
    shared = [1]
    assert encoded([shared, shared]) == maker.encode([[1], [1]]).hex()
    with pytest.raises(TypeError, match="holds itself"):
        core.canonical(point, lambda value: value)


@pytest.mark.parametrize("value", ["a\ud800", ["\udfff"], {"a\udc00": 1}, core.Named("\ud800", 1)])
def test_text_with_lone_surrogates_is_refused(value: Any) -> None:
    with pytest.raises(core.Invalid, match="surrogates"):
        encoded(value)


def test_equal_keys_and_items_are_refused() -> None:
    nans = [float("nan"), float("nan")]
    for value in (set(nans), frozenset(nans), dict.fromkeys(nans, 1)):
        with pytest.raises(core.Invalid, match="equal"):
            encoded(value)


def test_containers_that_change_while_they_are_described_do_no_harm() -> None:
    class Clear:
        def __init__(self, container: Any) -> None:
            self.container = container

    def empty(value: object) -> object:
        assert isinstance(value, Clear)
        value.container.clear()
        return core.Named("gone", None)

    for container in ([], {}, set()):
        items = [Clear(container), *range(100)]
        if isinstance(container, dict):
            container.update({item: item for item in items})
        else:
            container.extend(items) if isinstance(container, list) else container.update(items)
        try:
            core.canonical(container, empty)
        except RuntimeError as error:
            assert "changed size" in str(error)


# --- calls -------------------------------------------------------------------------------------------------------


def key(args: dict[str, Any], **more: Any) -> core.Key:
    return core.Key.of_call("space/inner", "f", "1", args, describe=refuse, **more)


def test_a_call_is_keyed_by_all_that_counts_and_shows_its_parts() -> None:
    args = {"b": [1, 2.5], "a": np.arange(3), "large": np.zeros(100)}
    made = key(args, ignored={"verbose": True, "callback": print, "big": np.zeros(1 << 20)})
    assert made.digest == maker.call_key("space/inner", "f", "1", list(args.items())).hex()
    assert made.digest == key(dict(reversed(args.items()))).digest
    assert (made.namespace, made.function, made.version) == ("space/inner", "f", "1")
    digest = core.digest(np.zeros(100))
    assert made.parts == {
        "a": [0, 1, 2],
        "b": [1, 2.5],
        "large": {"dtype": "float64", "shape": [100], "digest": digest},
        "(ignored)": {"verbose": True, "callback": "builtin_function_or_method", "big": "float64 array of shape [1048576]"},
    }
    others = [
        core.Key.of_call("space", "f", "1", args, describe=refuse),
        core.Key.of_call("space/inner", "g", "1", args, describe=refuse),
        core.Key.of_call("space/inner", None, "1", args, describe=refuse),
        core.Key.of_call("space/inner", "f", None, args, describe=refuse),
        key({**args, "b": [1, 2]}),
        key({}),
    ]
    assert len({made, *others}) == 7
    assert core.Key.of_call("n", "f", "1", {"": 5}, describe=refuse).digest == maker.call_key("n", "f", "1", [("", 5)]).hex()


def test_mappings_of_every_kind_name_arguments() -> None:
    class Mine(dict):  # type: ignore[type-arg]
        pass

    from types import MappingProxyType

    expected = key({"a": 1})
    for mapping in (Mine(a=1), OrderedDict(a=1), MappingProxyType({"a": 1})):
        assert key(mapping, ignored=mapping_without_counting(mapping)) == expected  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        key({1: 2})  # type: ignore[dict-item]


def mapping_without_counting(mapping: Any) -> Any:
    return type(mapping)({"other": 1})


@pytest.mark.parametrize("args", [{"(a)": 1}, {"": 1, "a": 2}, {"a\ud800": 1}])
def test_names_that_cannot_be_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(core.Invalid):
        key(args)
    with pytest.raises(core.Invalid):
        core.Key.of_call("a//b", None, None, {}, describe=refuse)


def test_floats_are_rounded_as_is_said() -> None:
    two = core.Rounding.decimals(2)
    shallow = core.Rounding.significant(2, deep=False)
    exact, near = {"x": 0.12, "y": [0.12]}, {"x": 0.1234, "y": [0.1234]}
    assert key(near, rounding=two) == key(exact)
    assert key(near, rounding={"x": two, "y": two}) == key(exact)
    assert key(near, rounding={"x": two}) == key({**exact, "y": near["y"]})
    assert key(near, rounding=OrderedDict(x=two, z=two)) == key({**exact, "y": near["y"]})
    assert key(near, rounding=shallow) == key({**exact, "y": near["y"]})
    array = np.array([0.1234, -0.0])
    assert key({"x": array}, rounding=two) == key({"x": np.array([0.12, 0.0])})
    assert key({"x": np.float32(0.1234)}, rounding=shallow) == key({"x": np.float32(0.12)})
    assert key({"x": {0.1234: 0.1234}}, rounding=two) == key({"x": {0.1234: 0.12}})
    for wrong in (2, {"x": 2}, "x"):
        with pytest.raises((TypeError, ValueError)):
            key(near, rounding=wrong)


def test_keys_are_equal_if_their_digests_are_and_travel() -> None:
    made = key({"a": 1})
    back = pickle.loads(pickle.dumps(made))
    assert back == made and hash(back) == hash(made) and back.digest == made.digest
    assert (back.namespace, back.function, back.parts) == ("", None, None)
    assert core.Key(made.digest) == made and made != made.digest and made != object()
    assert repr(made) == f"Key('{made.digest}')"
    assert core.Key.of_name("a") != core.Key.of_name("b")
    for wrong in ("", "xyz", made.digest.upper()):
        with pytest.raises(core.Invalid):
            core.Key(wrong)
    for wrong in ("", "a\nb", "x" * 1025, "\ud800"):
        with pytest.raises(core.Invalid):
            core.Key.of_name(wrong)


def test_named_values_in_a_cycle_are_collected() -> None:
    class Marked(list):  # type: ignore[type-arg]
        pass

    inside = Marked()
    inside.append(core.Named("a", inside))
    gone = weakref.ref(inside)
    del inside
    gc.collect()
    assert gone() is None
