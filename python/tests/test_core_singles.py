"""NumPy scalars, dates, times of day and spans of time in the portable encoding: exactly as they were, under the keys of
the format, and as a program reads them that shares nothing with the core but its text."""

import importlib.util
import json
import math
import sys
import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndstash
from ndstash import _core as core
from ndstash import codec
from ndstash._describe import describe

ROOT = Path(__file__).parents[2]
DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
AHEAD, LATE = timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(days=-1, microseconds=1))


def _load_reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("read_store", ROOT / "tools" / "read_store.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["read_store"] = made  # Its dataclasses look there.
    spec.loader.exec_module(made)
    return made


reader = _load_reader()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> core.Store:
    return core.Store.open(tmp_path_factory.mktemp("singles") / "store")


def back(store: core.Store, value: object) -> Any:
    writer = store.writer("value")
    writer.meta("value", value)
    assert writer.portable(value)
    writer.put()
    entry = store.entry("value")
    assert entry is not None and entry.encoding == "tree" and entry.arrays == []
    assert spelled(entry.meta["value"]) == spelled(value)
    return entry.portable("r")


def read(store: core.Store) -> Any:
    """The value as the independent reader has it."""
    opened = reader.Store(store.path)
    value = opened.entry(reader.key_of_name("value")).body.value
    return reader.as_python(value, lambda ref: pytest.fail(f"{ref} in a value without arrays"))


def spelled(value: Any) -> Any:
    """All that can be told of a value: its type, and every bit of it, the zone and which of two showings included."""
    if isinstance(value, np.generic):
        return type(value), value.dtype.str, value.tobytes()
    if isinstance(value, (datetime, time)):
        return type(value), value.isoformat(), value.fold, type(value.tzinfo), repr(value.tzinfo)
    if isinstance(value, (list, tuple)):
        return type(value), [spelled(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(map(repr, map(spelled, value)))
    if isinstance(value, dict):
        return type(value), [(spelled(key), spelled(item)) for key, item in value.items()]
    return type(value), repr(value)


def hashes(value: Any) -> bool:
    """Whether it may be a key: NumPy has no hash for spans of time without a unit."""
    try:
        hash(value)
    except ValueError:
        return False
    return True


SCALARS: list[Any] = [
    *(np.dtype(name).type(1) for name in DTYPES), np.False_, np.int8(-128), np.uint64(2**64 - 1), np.float16(6e-8), np.float32(-0.0),
    np.float64(math.inf), np.frombuffer(b"\x01\0\0\0\0\0\xf8\xff", "f8")[0], np.complex64(complex(-0.0, math.nan)), np.intc(3), np.intp(3),
    np.datetime64("2024-05-06"), np.datetime64("2024-05-06T07:08:09.123456789"), np.datetime64("NaT"), np.datetime64("NaT", "ns"),
    np.datetime64(2**63 - 1, "as"), np.datetime64(-5, "25s"), np.timedelta64(1), np.timedelta64(-7, "W"), np.timedelta64(3, "2147483647fs"),
]  # fmt: skip
TIMES: list[Any] = [
    datetime.min, datetime.max, datetime(2024, 2, 29), datetime(2024, 5, 6, 7, 8, 9, 10), datetime(2024, 5, 6, tzinfo=UTC), datetime.min.replace(tzinfo=AHEAD),
    datetime.max.replace(tzinfo=LATE, fold=1), datetime(2024, 10, 27, 2, 30, fold=1), datetime(1, 1, 1, tzinfo=timezone(timedelta(microseconds=1))),
    datetime(2024, 5, 6, tzinfo=timezone(-timedelta(hours=3, minutes=30, seconds=7, microseconds=9))), date.min, date.max, date(2000, 2, 29),
    time.min, time.max, time(7, 8), time(7, 8, 9, 10, tzinfo=UTC), time(tzinfo=LATE, fold=1), time(23, fold=1), time(tzinfo=timezone(timedelta(seconds=1))),
    timedelta.min, timedelta.max, timedelta(), timedelta(microseconds=-1), timedelta(-1, 86399, 999999), timedelta(weeks=1, hours=2),
]  # fmt: skip


@pytest.mark.parametrize("value", SCALARS + TIMES, ids=repr)
def test_they_come_back_exactly(store: core.Store, value: Any) -> None:
    assert core.is_portable(value)
    keys: list[Any] = [{value: value}, frozenset({value})] if hashes(value) else []
    for whole in (value, [value, value], {"a": (value,)}, *keys):
        assert spelled(back(store, whole)) == spelled(whole)


@pytest.mark.parametrize("value", TIMES, ids=repr)
def test_the_reader_reads_times_exactly(store: core.Store, value: Any) -> None:
    assert spelled(back(store, [value, {value}])) == spelled(read(store)) == spelled([value, {value}])


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_the_reader_reads_the_numbers_of_scalars(store: core.Store, value: Any) -> None:
    back(store, value)
    found = read(store)
    if value.dtype.kind in "mM":
        assert found == (value.dtype.name, int(value.view("int64")))
    else:
        assert repr(found) == repr(value.item())


def elements(dtype: str) -> st.SearchStrategy[Any]:
    if dtype == "bool":
        return st.booleans().map(np.bool_)
    size = np.dtype(dtype).itemsize
    return st.binary(min_size=size, max_size=size).map(lambda raw: np.frombuffer(raw, dtype)[0])


def ticks(kind: str) -> st.SearchStrategy[Any]:
    multiple = st.just("") | st.integers(2, 2**31 - 1).map(str)
    unit = st.builds("{}64[{}{}]".format, st.just(kind), multiple, st.sampled_from(UNITS)) | st.just(f"{kind}64")
    return st.builds(lambda count, dtype: np.int64(count).view(dtype), st.integers(-(2**63), 2**63 - 1), unit)


DAY = timedelta(days=1)
ZONES = st.none() | st.just(UTC) | st.timedeltas(-DAY + timedelta.resolution, DAY - timedelta.resolution).map(timezone)
FOLDS = st.integers(0, 1)
SINGLES = st.one_of(
    *map(elements, DTYPES), ticks("datetime"), ticks("timedelta"), st.dates(), st.timedeltas(),
    st.builds(lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold), st.datetimes(), ZONES, FOLDS),
    st.builds(lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold), st.times(), ZONES, FOLDS),
)  # fmt: skip
KEYS = SINGLES.filter(hashes)
VALUES = st.recursive(
    SINGLES,
    lambda inner: st.lists(inner, max_size=5) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=5) | st.frozensets(KEYS, max_size=5) | st.sets(KEYS, max_size=5),
    max_leaves=15,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(value=VALUES)
def test_any_of_them_come_back_at_every_place(store: core.Store, value: Any) -> None:
    assert spelled(back(store, value)) == spelled(value)
    read(store)


class Zone(tzinfo):
    """A zone of one's own."""

    def utcoffset(self, _: datetime | None, /) -> timedelta:
        return timedelta(hours=1)

    def dst(self, _: datetime | None, /) -> None:
        return None

    def tzname(self, _: datetime | None, /) -> str:
        return "own"


class DateTime(datetime):
    pass


class Date(date):
    pass


class Time(time):
    pass


class Delta(timedelta):
    pass


class Float(np.float64):
    pass


FOREIGN: dict[str, Any] = {
    "subclass of datetime": DateTime(2024, 5, 6), "subclass of date": Date(2024, 5, 6), "subclass of time": Time(1), "subclass of timedelta": Delta(1),
    "subclass of float64": Float(1), "zone with a name": datetime(2024, 5, 6, tzinfo=timezone(timedelta(hours=1), "CET")), "UTC by its name": time(tzinfo=timezone(timedelta(0), "UTC")),
    "zone of a place": datetime(2024, 5, 6, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), "UTC as a place": time(tzinfo=zoneinfo.ZoneInfo("UTC")), "zone of one's own": datetime(2024, 5, 6, tzinfo=Zone()),
    "zone itself": UTC, "numpy text": np.str_("a"), "numpy bytes": np.bytes_(b"a"), "numpy void": np.void(b"abc"), "numpy record": np.zeros(1, "i4,f4")[0], "long double": np.longdouble(1),
    "complex long double": np.clongdouble(1), "unit of nothing": np.int64(1).view("M8[0s]"), "array of dates": np.zeros(3, "M8[s]"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_others_are_pickled(store: core.Store, name: str) -> None:
    for value in (FOREIGN[name], [{"a": (FOREIGN[name],)}]):
        assert not core.is_portable(value)
        writer = store.writer("value")
        codec.write(writer, value, "auto", "owned")
        writer.put()
        entry = store.entry("value")
        assert entry is not None and entry.encoding == "pickle-5"


def test_the_portable_codec_and_a_cache_without_pickle_take_them(tmp_path: Path) -> None:
    value = {np.int8(1): [*SCALARS, *TIMES]}
    with ndstash.Cache(tmp_path / "cache", codec="portable", pickle="never") as cache:
        cache["value"] = value
        assert spelled(cache["value"]) == spelled(value)
        with pytest.raises(TypeError, match="has no portable encoding"):
            cache["value"] = FOREIGN["zone of a place"]


VECTORS: dict[str, Any] = {
    "date": date(2024, 2, 29), "date and time": datetime(2024, 5, 6, 7, 8, 9, 10), "date and time, UTC": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), "date and time, ahead": datetime.min.replace(tzinfo=AHEAD),
    "date and time, behind": datetime.max.replace(tzinfo=timezone(timedelta(microseconds=-1)), fold=1), "date and time, shown again": datetime(2024, 10, 27, 2, 30, fold=1), "time": time(7, 8, 9),
    "time, behind": time(7, 8, 9, 500_000, tzinfo=timezone(-timedelta(hours=3, minutes=30, seconds=7))), "span of time": timedelta(1, 2, 3), "span of time, negative": timedelta.min,
    "count of nanoseconds": np.datetime64(1_700_000_000_123_456_789, "ns"), "no count": np.timedelta64("NaT"), "array, no dimensions": np.frombuffer(bytes(range(4)), "f4")[0],
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_their_keys_are_those_of_the_format(name: str) -> None:
    cases = json.loads((ROOT / "tests/vectors/keys.json").read_text())["values"]
    listed = {case["name"]: case for case in cases}
    assert core.canonical(VECTORS[name], describe).hex() == listed[name]["encoding"]
    assert core.Key.of_item("vectors", VECTORS[name], describe=describe).digest == listed[name]["key"]


@pytest.mark.parametrize(
    ("make", "most"),
    [(lambda: [np.float64(1)] * 500_000, True), (lambda: [timedelta(1)] * 500_000, True), (lambda: [datetime.min] * 500_000, True),
     (lambda: [np.float64(1)] * 600_000, False), (lambda: [timedelta(1)] * 600_000, False)],
)  # fmt: skip
def test_what_is_portable_fits_into_a_manifest(store: core.Store, make: Callable[[], list[Any]], most: bool) -> None:
    value = make()
    writer = store.writer("value")
    assert writer.portable(value) == most
    if most:
        writer.put()


def test_a_store_says_what_they_are(store: core.Store) -> None:
    for value, text in [
        (np.float32(1.5), "float32 1.5"), (np.bool_(True), "bool True"), (np.complex64(1 - 2j), "complex64 (1.0-2.0j)"), (datetime(2024, 5, 6, tzinfo=UTC), "2024-05-06T00:00:00+00:00"),
        (timedelta(-1, 2, 3), "timedelta(-1, 2, 3)"), (np.datetime64(5, "ns"), "datetime64[ns] 5"), ([date(2024, 5, 6)], "list of 1: 2024-05-06"),
    ]:  # fmt: skip
        back(store, value)
        info = store.info("value")
        assert info is not None and info.description == text
