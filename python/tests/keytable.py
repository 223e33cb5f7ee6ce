"""Values of many kinds, for keys: what is equal, what differs, what is refused."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import pathlib
import random
import re
import threading
import types
import typing
import uuid
import weakref
import zoneinfo
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ndstash import _core
from ndstash._keys import describe

UTC = datetime.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def key(value: object) -> str:
    """What stands for a value in a key, as a digest."""
    return _core.digest(_core.canonical(value, describe))


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1
    BLUE = 2


class Number(enum.IntEnum):
    ONE = 1


class Flags(enum.Flag):
    A = 1
    B = 2


class Pair(NamedTuple):
    a: object
    b: object


class OtherPair(NamedTuple):
    a: object
    b: object


class PairWithMore(Pair):
    pass


@dataclass
class Record:
    a: object
    b: object = None
    c: object = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Frozen:
    a: object


class Plain:
    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class OtherPlain(Plain):
    pass


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: object) -> None:
        self.a = a


class Lazy:
    def __init__(self, a: object) -> None:
        self.a = a

    @functools.cached_property
    def twice(self) -> Any:
        return (self.a, self.a)


class Choosing:
    def __init__(self, a: object, noise: object) -> None:
        self.a, self.noise = a, noise

    def __ndstash_key__(self) -> object:
        return self.a


class Reducing:
    def __init__(self, a: object) -> None:
        self.a = a

    def __reduce__(self) -> Any:
        return Reducing, (self.a,)


class Parted:
    """Pickles as the parts that it was given."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    def __reduce_ex__(self, protocol: object) -> Any:
        return self.parts


class Stateful:
    def __init__(self, a: object) -> None:
        self.a, self.lock = a, threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {"a": self.a}


class MyList(list[Any]):
    pass


class MyDict(dict[Any, Any]):
    pass


class MyOrderedDict(collections.OrderedDict[Any, Any]):
    pass


class MySet(set[Any]):
    pass


class LazySet(MySet):
    @functools.cached_property
    def twice(self) -> Any:
        return [*self, *self]


class MyFrozenset(frozenset[Any]):
    pass


class MyInt(int):
    pass


class MyStr(str):
    pass


class MyFloat(float):
    pass


class MyArray(np.ndarray[Any, Any]):
    pass


def with_attributes(value: Any, **attributes: object) -> Any:
    vars(value).update(attributes)
    return value


def touched(value: Any) -> Any:
    """A value whose cached property was asked for."""
    assert value.twice
    return value


def linked(depth: int) -> object:
    value: object = None
    for _ in range(depth):
        value = Plain(next=value)
    return value


shared = [1, 2]
SENTINEL = object()

EQUAL: dict[str, tuple[Any, Any]] = {
    "maps in another order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "sets in another order": ({"x", "y", "z"}, {"z", "y", "x"}),
    "shared references": ([shared, shared], [[1, 2], [1, 2]]),
    "objects with attributes in another order": (Plain(a=1, b=2), Plain(b=2, a=1)),
    "cached property": (touched(Lazy(1)), Lazy(1)),
    "cached property of a set": (touched(LazySet([1])), LazySet([1])),
    "own key": (Choosing(1, 2), Choosing(1, 3)),
    "state that leaves a lock out": (Stateful(1), Stateful(1)),
    "counters": (collections.Counter("abca"), collections.Counter("aabc")),
    "default maps": (collections.defaultdict(list, a=[1], b=[]), collections.defaultdict(list, b=[], a=[1])),
    "subclass of set": (MySet("abc"), MySet("cba")),
    "subclass of map": (MyDict(a=1, b=2), MyDict(b=2, a=1)),
    "enum alias": (Colour.RED, Colour.CRIMSON),
    "paths": (pathlib.Path("a/b"), pathlib.Path("a") / "b"),
    "patterns": (re.compile("a"), re.compile("a")),
    "partials": (functools.partial(print, 1), functools.partial(print, 1)),
    "C and Fortran order": (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    "strided and copied": (np.arange(10)[::2], np.arange(10)[::2].copy()),
    "read-only": (with_flags := np.arange(3), np.arange(3)),
    "byte order": (np.arange(3), np.arange(3).astype(">i8")),
    "memory map": (np.arange(3), np.arange(3)),
    "structured, padding": (np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)), np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True))),
    "text array, byte order": (np.array(["a", "bc"]), np.array(["a", "bc"]).astype(">U2")),
    "dates": (np.array(["2020", "NaT"], "M8[D]"), np.array(["2020", "NaT"], "M8[D]").astype(">M8[D]")),
    "object arrays": (np.array([[1, None], ["a", 2.0]], object), np.asfortranarray(np.array([[1, None], ["a", 2.0]], object))),
    "masked arrays": (np.ma.array([1, 2], mask=[0, 0]), np.ma.array([1, 2])),
    "scalar of a date": (np.datetime64("2020"), np.array("2020", "M8[Y]")),
    "random states": (random.Random(3), random.Random(3)),
    "generators of numpy": (np.random.default_rng(3), np.random.default_rng(3)),
    "long doubles": (np.longdouble("1.5") + np.zeros(3, np.longdouble), np.full(3, 1.5, np.longdouble)),
    "generic aliases": (typing.Dict[str, int], typing.Dict[str, int]),
    "views of maps": ({1: 2, 3: 4}.keys(), {3: 4, 1: 2}.keys()),
    "byte streams": (io.BytesIO(b"ab"), io.BytesIO(b"ab")),
}
with_flags.flags.writeable = False

DIFFERENT: dict[str, list[Any]] = {
    "1, 1.0, True and '1'": [1, 1.0, True, "1", b"1", 1 + 0j, decimal.Decimal(1), fractions.Fraction(1), np.float32(1), MyInt(1), Number.ONE],
    "-1 and -2": [-1, -2],
    "zeros and nothing": [0, 0.0, -0.0, False, None, "", b"", (), [], {}, set(), frozenset(), ..., NotImplemented, np.array(0), MyList(), MyDict()],
    "containers": [[1, 2], (1, 2), {1, 2}, frozenset([1, 2]), {1: 2}, range(1, 3), np.array([1, 2]), MyList([1, 2]), Pair(1, 2), collections.deque([1, 2]), array.array("q", [1, 2]), array.array("i", [1, 2])],
    "nesting": [[[1], [2]], [[1, 2]], [[1], 2], [[[1]], [2]], [1, [2]]],
    "two('a b', 'c') and two('a', 'b c')": [("a b", "c"), ("a", "b c"), ("a b c",)],
    "two named tuples and a subclass": [Pair(1, 2), OtherPair(1, 2), PairWithMore(1, 2), with_attributes(PairWithMore(1, 2), c=3), Pair(2, 1), (1, 2)],
    "records": [Record(1), Record(1, 2), Record(1, c=1), Frozen(1), Frozen(2), Plain(a=1), OtherPlain(a=1), Plain(b=1), with_attributes(Record(1), d=1), Slotted(1), Slotted(2), Lazy(1), Reducing(1), Reducing(2), Stateful(1), Choosing(1, 1)],
    "enums": [Colour.RED, Colour.BLUE, Number.ONE, Flags.A, Flags.B, Flags.A | Flags.B, Colour],
    "ordered maps": [collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), {"a": 1, "b": 2}, collections.Counter(a=1, b=2), MyDict(a=1, b=2), types.MappingProxyType({"a": 1, "b": 2}), MyOrderedDict(a=1, b=2), MyOrderedDict(b=2, a=1)],
    "parts that pickle takes": [Parted(str, ("a",)), Parted(ascii, ("a",)), Parted(str, ("b",)), Parted(str, ("a",), {"k": 1}), Parted(str, ("a",), {"k": 1}, None, None, setattr), Parted(str, ("a",), {"k": 1}, None, None, getattr), Parted(str, ("a",), None, [1]), Parted(str, ("a",), None, None, [(1, 2)])],
    "subclasses": [MyStr("a"), "a", MyFloat(1), 1.0, MySet([1]), {1}, MyFrozenset([1]), frozenset([1]), with_attributes(MySet([1]), a=1), with_attributes(MyStr("a"), b=1)],
    "bytes": [b"ab", bytearray(b"ab"), memoryview(b"ab"), io.BytesIO(b"ab"), "ab", memoryview(b"ab").cast("c"), memoryview(b"ab").cast("B", (1, 2)), array.array("b", b"ab"), array.array("B", b"ab"), io.StringIO("ab"), np.frombuffer(b"ab", np.uint8)],
    "position in a stream": [io.BytesIO(b"ab"), (stream := io.BytesIO(b"ab"), stream.read(1))[0]],
    "moments": [
        datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=UTC), datetime.datetime(2020, 1, 1, tzinfo=BERLIN),
        datetime.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN), datetime.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), datetime.datetime(2020, 10, 25, 2, 30),
        datetime.time(1), datetime.time(1, tzinfo=UTC), datetime.timedelta(1), datetime.timedelta(0, 1), datetime.timedelta(0, 0, 1), "2020-01-01",
        UTC, datetime.timezone(datetime.timedelta(0), "X"), datetime.timezone(datetime.timedelta(1 / 24)), BERLIN,
    ],
    "arrays of the standard library": [array.array("l", [1]), array.array("q", [1]), array.array("l", [2]), array.array("u", "a")],
    "numbers": [decimal.Decimal("1.0"), decimal.Decimal("1.00"), decimal.Decimal("NaN"), fractions.Fraction(1, 2), 0.5, float("nan"), float("inf"), 2**100, -(2**100), uuid.UUID(int=1), uuid.UUID(int=2)],
    "ranges and slices": [range(3), range(0, 3, 2), range(0, 4, 2), slice(3), slice(0, 3), slice(0, 3, 1)],
    "paths": [pathlib.Path("a"), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), "a", pathlib.Path("a/b"), pathlib.Path("b")],
    "patterns": [re.compile("a"), re.compile("a", re.I), re.compile(b"a"), re.compile("b")],
    "deques": [collections.deque([1, 2]), collections.deque([2, 1]), collections.deque([1, 2], 2)],
    "default maps": [collections.defaultdict(list), collections.defaultdict(dict), collections.defaultdict(None)],
    "views of maps": [{1: 2}.keys(), {1: 2}.items(), {1: 2}.values(), {1: 3}.values(), {1: 2}],
    "functions": [len, print, str.upper, "a".upper, "b".upper, np.sin, np.cos, functools.partial(len), functools.partial(print, 1), functools.partial(print, 2), key, lambda: 1, lambda: 2, int, Plain, Record, Plain().__init__, types, re],
    "exceptions": [ValueError("a"), ValueError("b"), TypeError("a"), ValueError("a", 1)],
    "dtype": [np.zeros(2, kind) for kind in ("f8", "f4", "i8", "i4", "u8", "bool", "c16", "c8", "f2", "S8", "U2", "M8[s]", "M8[ms]", "m8[s]", "V8", "O", "g", "G", "i8,i8")],
    "arrays of equal bytes with other dtype or shape": [np.zeros(8, "f4"), np.zeros(4, "f8"), np.zeros(4, "i8"), np.zeros((2, 2)), np.zeros((4, 1)), np.zeros((1, 4)), np.zeros(8, "i4"), np.zeros(4, "M8[s]"), np.zeros(4, "m8[s]"), np.zeros(32, "u1"), np.zeros((4, 0)), np.zeros((0, 4)), np.zeros(4, "V8"), np.zeros(4, "S8")],
    "two large arrays that differ only in the middle": [np.zeros(5000), np.where(np.arange(5000) == 2500, 1.0, 0.0), np.where(np.arange(5000) == 2501, 1.0, 0.0)],
    "zeros inside arrays": [np.array([0.0]), np.array([-0.0])],
    "kinds of arrays": [np.zeros((2, 2)), np.zeros((2, 2), "f8,f8").view(np.recarray), np.zeros((2, 2), "f8,f8"), np.ma.zeros((2, 2)), np.zeros((2, 2)).view(MyArray), with_attributes(np.zeros((2, 2)).view(MyArray), unit="m"), [[0.0, 0.0], [0.0, 0.0]], np.zeros((2, 2)).tolist],
    "masked arrays": [np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.ma.array([1, 3], mask=[1, 0]), np.ma.array([1, 2], mask=[1, 0], fill_value=7), np.ma.array([1, 2], mask=[1, 0], hard_mask=True)],
    "structured arrays": [np.zeros(2, kind) for kind in ([("a", "f8")], [("b", "f8")], [("a", "f4")], [("a", "f8"), ("b", "i4")], [("b", "i4"), ("a", "f8")], [("a", "f8", (1,))], [("a", [("b", "f8")])])],
    "places of fields": [np.zeros(2, np.dtype({"names": ["a"], "formats": ["f4"], "offsets": [at], "itemsize": size})) for at, size in ((0, 4), (0, 8), (4, 8))],
    "contents of structured arrays": [np.array([(1, 2)], "i8,i8"), np.array([(2, 1)], "i8,i8"), np.array([(1, 2), (1, 2)], "i8,i8")],
    "text arrays": [np.array(["a", "b"]), np.array(["b", "a"]), np.array(["ab"]), np.array(["a", "b"], "U2"), np.array([b"a", b"b"]), np.array(["a", "b"], object), np.str_("a"), np.array([""]), np.array([], "U1")],
    "object arrays": [np.array([1, None], object), np.array([[1], [None]], object), np.array([None, 1], object), np.array([1.0, None], object)],
    "dates": [np.datetime64("2020"), np.datetime64("2020-01-01"), np.datetime64("NaT", "s"), np.timedelta64(1, "s"), np.timedelta64(1, "m")],
    "numpy's own": [np.dtype("f8"), np.dtype("f4"), np.dtype([("a", "f8")]), np.float64, np.float32, np.longdouble(1), np.clongdouble(1), np.float64(1), np.random.default_rng(1), np.random.default_rng(2), np.random.RandomState(1), random.Random(1), random.Random(2)],
    "depth": [linked(3), linked(4), linked(5)],
    "types of typing": [typing.Dict[str, int], dict[str, int], typing.Dict[str, str], typing.Optional[int], int | None, typing.List["int"], typing.Any],
    "names": [Plain(a="b"), Plain(**{"a": ("b",)}), ("a", "b"), {"a": "b"}],
}


def loop() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def object_loop() -> Plain:
    value = Plain()
    vars(value)["me"] = {"again": [value]}
    return value


REFUSED: dict[str, Any] = {
    "generator": (i for i in ()),
    "iterator": iter([1]),
    "map": map(int, []),
    "counter": itertools.count(),
    "lock": threading.Lock(),
    "lock inside": Plain(deep=[{"a": threading.Lock()}]),
    "file": open(__file__, "rb"),
    "bare object": object(),
    "sentinel": SENTINEL,
    "weak reference": weakref.ref(Plain),
    "thread": threading.local(),
    "list that holds itself": loop(),
    "object that holds itself": object_loop(),
    "code": loop.__code__,
    "time zone without a name": zoneinfo.ZoneInfo.from_file(io.BytesIO(pathlib.Path(zoneinfo.TZPATH[0], "UTC").read_bytes())) if zoneinfo.TZPATH and pathlib.Path(zoneinfo.TZPATH[0], "UTC").exists() else iter([]),
    "equal keys": {float("nan"): 1, float("-nan"): 2},
    "text that is none": "\ud800",
}
