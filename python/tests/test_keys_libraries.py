"""Keys of what other libraries make: values count, how they lie in memory does not."""

from __future__ import annotations

import datetime
import decimal
import importlib.util
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from keytable import key

DATES = [datetime.datetime(2020, 1, 1), None, datetime.datetime(2021, 1, 1)]


def alike(values: list[Any]) -> list[tuple[Any, Any]]:
    """Pairs that should not have one key."""
    keys = [key(value) for value in values]
    return [(values[a], values[b]) for a, b in itertools.combinations(range(len(keys)), 2) if keys[a] == keys[b]]


def test_frames_by_value() -> None:
    pandas = pytest.importorskip("pandas")
    whole = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    pieces = pandas.DataFrame({"a": [1.0, 2.0]})
    pieces["b"] = [3.0, 4.0]
    rows = pandas.DataFrame(np.array([[1.0, 3.0], [2.0, 4.0]]), columns=["a", "b"])
    cut = pandas.DataFrame({"a": [1.0, 2.0, 9.0], "b": [3.0, 4.0, 9.0], "c": [1, 2, 3]})[["a", "b"]].iloc[:2]
    assert len({key(frame) for frame in (whole, pieces, rows, cut, whole.copy(), pickle.loads(pickle.dumps(whole)))}) == 1


def test_frames_differ() -> None:
    pandas = pytest.importorskip("pandas")
    base = {"a": [1, 2], "b": ["x", "y"]}
    noted = pandas.DataFrame(base)
    noted.attrs["unit"] = "m"
    frames = [
        pandas.DataFrame(base),
        pandas.DataFrame({"a": [1, 3], "b": ["x", "y"]}),
        pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
        pandas.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pandas.DataFrame({"b": ["x", "y"], "a": [1, 2]}),
        pandas.DataFrame({"a": [1, 2], "c": ["x", "y"]}),
        pandas.DataFrame(base, index=[1, 2]),
        pandas.DataFrame(base, index=["0", "1"]),
        pandas.DataFrame(base).astype({"b": "category"}),
        pandas.DataFrame(base).astype({"b": object}),
        pandas.DataFrame(base).astype({"a": "Int64"}),
        pandas.DataFrame(base).rename_axis("n"),
        pandas.DataFrame(base).set_flags(allows_duplicate_labels=False),
        noted,
        pandas.DataFrame({"a": []}),
        pandas.DataFrame({"b": []}),
        pandas.DataFrame(),
        pandas.DataFrame(index=[1, 2]),
    ]
    assert alike(frames) == []


def test_series_and_indexes_differ() -> None:
    pandas = pytest.importorskip("pandas")
    values = [
        pandas.Series([1, 2]),
        pandas.Series([1, 2], name="a"),
        pandas.Index([0, 1]),
        pandas.RangeIndex(2),
        pandas.RangeIndex(3),
        pandas.Index([0, 1], name="a"),
        pandas.Index([0.0, 1.0]),
        pandas.Index(["0", "1"]),
        pandas.MultiIndex.from_tuples([(0, "a"), (1, "b")]),
        pandas.MultiIndex.from_tuples([(0, "a"), (1, "c")]),
        pandas.MultiIndex.from_tuples([(0, "a"), (1, "b")], names=["x", "y"]),
        pandas.date_range("2020", periods=2),
        pandas.date_range("2020", periods=2, tz="UTC"),
        pandas.DatetimeIndex(["2020-01-01", "2020-01-02"], tz="UTC"),
        pandas.DatetimeIndex(["2020-01-01", "2020-01-02"], tz="UTC").tz_convert("Europe/Paris"),
        pandas.date_range("2020", periods=2, unit="ms"),
        pandas.DatetimeIndex(["2020-01-01", "2020-01-02"]),
        pandas.period_range("2020", periods=2, freq="D"),
        pandas.period_range("2020", periods=2, freq="M"),
        pandas.timedelta_range("1D", periods=2),
        pandas.interval_range(0, 2),
        pandas.interval_range(0, 2, closed="left"),
        pandas.CategoricalIndex(["a", "b"]),
        pandas.Categorical(["a", "b"]),
        pandas.Categorical(["a", "b"], ["b", "a"]),
        pandas.Categorical(["a", "b"], ordered=True),
        pandas.Categorical(["a", None]),
    ]
    assert alike(values) == []


def test_extension_arrays() -> None:
    pandas = pytest.importorskip("pandas")
    masked = pandas.array([1, 2, None], dtype="Int64")
    under = pandas.arrays.IntegerArray(np.array([1, 2, 77]), np.array([False, False, True]))
    assert key(masked) == key(under)
    strings = pandas.Series(["a", None, "c"])
    assert key(strings) == key(pandas.Series(["x", "a", None, "c"]).iloc[1:].reset_index(drop=True))
    values = [
        masked,
        pandas.array([1, 2, 3], dtype="Int64"),
        pandas.array([1, 2, 0], dtype="Int64"),
        pandas.array([1, 2, None], dtype="Int32"),
        pandas.array([1, 2, None], dtype="Float64"),
        pandas.array([True, None], dtype="boolean"),
        pandas.array([False, None], dtype="boolean"),
        pandas.array(["a", None], dtype="string[python]"),
        pandas.array(["a", "b"], dtype="string[python]"),
        pandas.arrays.SparseArray([0, 0, 1]),
        pandas.arrays.SparseArray([0, 1, 0]),
        pandas.arrays.SparseArray([5, 5, 1], fill_value=5),
        pandas.arrays.SparseArray([0.0, 0.0, 1.0]),
        pandas.array([1, 2]).to_numpy(),
        pandas.arrays.NumpyExtensionArray(np.array([1, 2])),
    ]
    if importlib.util.find_spec("pyarrow"):
        values.append(pandas.array(["a", "b"]))  # else the type of strings is Python's anyway
    assert alike(values) == []


def test_pandas_scalars() -> None:
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2020")
    values = [
        stamp, stamp.tz_localize("UTC"), stamp.to_pydatetime(), pandas.Timedelta(1), pandas.Timedelta(2), pandas.NaT, pandas.NA,
        pandas.Interval(1, 2), pandas.Interval(1, 2, "both"), pandas.Period("2020", "Y"), pandas.Period("2020", "M"),
        pandas.offsets.BDay(1), pandas.offsets.BDay(2), pandas.CategoricalDtype(["a"]), pandas.CategoricalDtype(["b"]), pandas.Int64Dtype(),
    ]  # fmt: skip
    assert alike(values) == []
    assert key(pandas.Timestamp("2020")) == key(stamp)


def test_arrow_by_value() -> None:
    arrow = pytest.importorskip("pyarrow")
    cases = [
        ([1, None, 3], arrow.int64()), (["a", None, "bc"], arrow.string()), ([b"a", None], arrow.binary()),
        ([[1], None, [], [2, None]], arrow.list_(arrow.int64())), ([{"a": 1}, None, {"a": None}], arrow.struct([("a", arrow.int64())])),
        ([True, None, False], arrow.bool_()), (DATES, arrow.timestamp("us")), ([1.5, None], arrow.float64()), ([decimal.Decimal("1.5"), None], arrow.decimal128(5, 1)),
        (["a", "b", "a"], arrow.dictionary(arrow.int32(), arrow.string())), ([[("k", 1)], None], arrow.map_(arrow.string(), arrow.int64())),
        ([None, None], arrow.null()), ([[1, 2], None], arrow.list_(arrow.int64(), 2)), (["a", None], arrow.large_string()), ([], arrow.string()),
        ([datetime.date(2020, 1, 1), None], arrow.date32()), ([datetime.time(1), None], arrow.time64("us")), (["long enough not to lie inline"], arrow.string_view()),
    ]  # fmt: skip
    for values, dtype in cases:
        plain = arrow.array(values, dtype)
        sliced = arrow.array([*values[:1], *values, *values[:1]], dtype)[len(values[:1]) : len(values) + len(values[:1])]
        assert sliced.equals(plain)
        assert key(plain) == key(sliced), dtype
        chunked = arrow.chunked_array([plain[:1], plain[1:]], dtype)
        assert key(chunked) == key(arrow.chunked_array([plain], dtype)) != key(plain), dtype


def test_arrow_bytes_under_nulls() -> None:
    arrow = pytest.importorskip("pyarrow")
    valid = arrow.py_buffer(b"\x05")
    arrays = [arrow.Array.from_buffers(arrow.int64(), 3, [valid, arrow.py_buffer(np.array([1, hidden, 3]).tobytes())]) for hidden in (0, 99)]
    assert arrays[0].to_pylist() == [1, None, 3]
    assert key(arrays[0]) == key(arrays[1])


def test_arrow_differs() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"a": [1, 2], "b": ["x", "y"]})
    values = [
        table, table.to_batches()[0], table.slice(0, 1), table.rename_columns(["a", "c"]), table.select(["b", "a"]), table.replace_schema_metadata({"k": "v"}),
        arrow.table({"a": [1, 3], "b": ["x", "y"]}), arrow.table({"a": [1, None], "b": ["x", "y"]}), arrow.table({"a": [1.0, 2.0], "b": ["x", "y"]}),
        table.schema, table.schema.field("a"), arrow.int64(), arrow.int32(), arrow.scalar(1), arrow.scalar(2), arrow.scalar(1.0), arrow.py_buffer(b"a"), b"a",
        arrow.array(["ab", "c"]), arrow.array(["a", "bc"]), arrow.array([[1], [2, 3]]), arrow.array([[1, 2], [3]]), arrow.array([[1, 2, 3]]), arrow.array([None, 1]), arrow.array([1, None]),
        arrow.struct([arrow.field("a", arrow.int64(), nullable=False)]), arrow.struct([arrow.field("a", arrow.int64())]),
        arrow.array([{"a": 1}]), arrow.array([{"b": 1}]), arrow.array(DATES, arrow.timestamp("us")), arrow.array(DATES, arrow.timestamp("us", "UTC")), arrow.array(DATES, arrow.timestamp("ms")),
    ]  # fmt: skip
    assert alike(values) == []


def test_arrow_tables_by_value() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    pieces = arrow.concat_tables([table.slice(0, 1), table.slice(1)])
    assert pieces.column("a").num_chunks == 2
    assert key(table) == key(pieces) == key(pieces.combine_chunks())


def test_polars_by_value() -> None:
    polars = pytest.importorskip("polars")
    cases = [
        [1, None, 3], ["a", None, "bc"], [[1], None, [], [2, None]], [{"a": 1, "b": "x"}, None], [True, None, False], DATES, [1.5, None], [decimal.Decimal("1.5"), None],
        [b"a", None], [datetime.date(2020, 1, 1), None], [datetime.time(1), None], [datetime.timedelta(1), None], [None, None], [[["a"], []], [None]],
    ]  # fmt: skip
    for values in cases:
        plain = polars.Series("s", values)
        joined = polars.concat([plain[:1], plain[1:]], rechunk=False)
        cut = polars.Series("s", [*values[:1], *values, *values[:1]])[1:-1]
        assert joined.n_chunks() == 2
        assert key(plain) == key(joined) == key(cut), values


def test_polars_differs() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    values = [
        frame, frame.select("b", "a"), frame.rename({"b": "c"}), frame.with_columns(a=polars.lit(None, polars.Int64)), frame.cast({"a": polars.Int32}), frame.head(1), polars.DataFrame({"a": [1, 2]}), polars.DataFrame(),
        polars.Series("a", [1, 2]), polars.Series("b", [1, 2]), polars.Series("a", [2, 1]), polars.Series("a", [1.0, 2.0]), polars.Series("a", [1, None]), polars.Series("a", [None, 1]),
        polars.Series("a", ["ab", "c"]), polars.Series("a", ["a", "bc"]), polars.Series("a", [[1], [2, 3]]), polars.Series("a", [[1, 2], [3]]), polars.Series("a", [[1, 2, 3], []]), polars.Series("a", [[1, 2, 3], None]),
        polars.Series("a", ["a", "b"], polars.Categorical), polars.Series("a", ["a", "b"], polars.Enum(["a", "b"])), polars.Series("a", ["a", "b"], polars.Enum(["b", "a"])), polars.Series("a", ["a", "b"]),
        polars.Series("a", DATES), polars.Series("a", DATES, polars.Datetime("ms")), polars.Series("a", DATES).dt.replace_time_zone("UTC"), polars.Int64, polars.Int32, polars.Datetime("ns"), polars.Datetime("us"),
        polars.Series("a", [b"ab", b"c"]), polars.Series("a", [b"a", b"bc"]), polars.Series("a", [{"x": 1}]), polars.Series("a", [{"y": 1}]), polars.Series("a", [[1, 2]], polars.Array(polars.Int64, 2)), polars.Series("a", [[1, 2]]),
    ]  # fmt: skip
    assert alike(values) == []


def test_labelled_arrays() -> None:
    xarray = pytest.importorskip("xarray")
    make = xarray.DataArray
    base = make(np.zeros((2, 3)), dims=("x", "y"), coords={"x": [1, 2]}, name="a", attrs={"unit": "m"})
    again = make(np.asfortranarray(np.zeros((2, 3))), dims=("x", "y"), coords={"x": [1, 2]}, name="a", attrs={"unit": "m"})
    again.encoding["zlib"] = True
    assert key(base) == key(again) == key(pickle.loads(pickle.dumps(base)))
    stacked = base.stack(z=("x", "y"))
    values = [
        base, base.rename("b"), base.assign_attrs(unit="s"), base + 1, base.assign_coords(x=[1, 3]), base.rename(x="z"), base.drop_vars("x"), base.variable, base.coords["x"], stacked, base.transpose(),
        base.to_dataset(), base.to_dataset().assign_attrs(k=1), base.to_dataset(name="b"), base.to_dataset().set_coords("a"), xarray.Dataset(),
    ]  # fmt: skip
    assert alike(values) == []


def test_sparse_by_value() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.array([[1.0, 0, 2], [0, 0, 3]])
    for form in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr"):
        for kind in ("matrix", "array"):
            make = getattr(sparse, f"{form}_{kind}")
            one, two = make(dense), make(dense)
            getattr(one, "has_sorted_indices", None)
            getattr(one, "has_canonical_format", None)
            assert key(one) == key(two) != key(make(dense * 2)), (form, kind)


def test_sparse_differs() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.eye(3)
    values = [make(dense) for make in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.coo_matrix, sparse.lil_matrix, sparse.dok_matrix, sparse.dia_matrix, sparse.bsr_matrix)]
    values += [sparse.csr_matrix((3, 3)), sparse.csr_matrix((3, 4)), sparse.dok_matrix((3, 3)), sparse.dok_matrix((3, 4)), sparse.csr_matrix(dense.astype("f4")), sparse.csr_matrix(dense[::-1]), sparse.lil_matrix(dense.astype("f4"))]
    assert alike(values) == []


def test_room_behind_sparse_entries_does_not_count() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    tight = sparse.csr_matrix(np.eye(3))
    roomy = tight.copy()
    roomy.data, roomy.indices = np.r_[tight.data, 9.0], np.r_[tight.indices, 0].astype(tight.indices.dtype)
    assert key(tight) == key(roomy) and len(roomy.data) == 4


def test_estimators() -> None:
    pytest.importorskip("sklearn")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    data, classes = rng.normal(size=(40, 3)), np.arange(40) % 2
    for make in (
        lambda k: LogisticRegression(C=k),
        lambda k: LogisticRegression(C=k).fit(data, classes),
        lambda k: RandomForestClassifier(5, random_state=k, max_depth=3).fit(data, classes),
        lambda k: make_pipeline(StandardScaler(), LogisticRegression(C=k)),
        lambda k: make_pipeline(StandardScaler(), LogisticRegression(C=k)).fit(data, classes),
    ):
        assert key(make(1)) == key(make(1)) == key(pickle.loads(pickle.dumps(make(1)))) != key(make(2))


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    base = torch.arange(6.0).reshape(2, 3)
    assert key(base) == key(base.t().contiguous().t()) == key(base.clone())
    values = [
        base, base.int(), base.double(), base.half(), base.bfloat16(), base.reshape(3, 2), base + 1, base.clone().requires_grad_(), torch.nn.Parameter(base),
        torch.tensor(1), torch.tensor(True), torch.zeros(0, 3), base.to(torch.complex64), base.numpy(), torch.float32, torch.float64,
    ]  # fmt: skip
    assert alike(values) == []
    layers = [torch.nn.Linear(2, 2) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    assert key(layers[0]) == key(layers[1]) != key(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="dense"):
        key(base.to_sparse())
