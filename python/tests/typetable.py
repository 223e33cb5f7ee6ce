"""The values that must come back as they were, by name: how one is made, equal every time, and what "the same" means."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import importlib
import pathlib
import re
import uuid
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

N = 70_000
"""Elements: also of one byte each they are more than an entry holds itself."""


class Case(NamedTuple):
    make: Callable[[], Any]
    same: Callable[[Any, Any], None]
    needs: tuple[str, ...]
    blobs: bool
    mapped: bool
    """Whether what is loaded looks at a map of the store, somewhere."""


CASES: dict[str, Case] = {}


def equal(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    assert here == there


def case(name: str, *needs: str, same: Callable[[Any, Any], None] = equal, blobs: bool = True, mapped: bool = True) -> Any:
    def add(make: Callable[[], Any]) -> Callable[[], Any]:
        CASES[name] = Case(make, same, needs, blobs, blobs and mapped)
        return make

    return add


# --- numpy -------------------------------------------------------------------------------------------------------


def same_array(here: Any, there: Any) -> None:
    """Bit by bit, and in the same layout unless there were gaps."""
    assert type(here) is type(there)
    assert here.dtype == there.dtype
    assert here.shape == there.shape
    if there.flags.c_contiguous or there.flags.f_contiguous:
        assert here.strides == there.strides or there.size == 0
    assert here.flags.aligned
    if there.dtype.hasobject:
        assert here.tolist() == there.tolist()
    else:
        assert here.tobytes() == there.tobytes()


def numbers(dtype: Any, count: int = N) -> Any:
    """Bytes of all kinds as elements."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.arange(count) % 3 == 0
    if kind.kind in "fc":
        made = np.zeros(count, kind)  # A long double has bytes that say nothing: zeros, here.
        made.real[:] = np.arange(count) * 0.37 - 9
        return made
    return (np.arange(count) % 127).astype(kind)


class Quantity(np.ndarray[Any, Any]):
    """A subclass with an attribute that travels with its views."""

    unit: str

    def __new__(cls, data: Any, unit: str) -> Quantity:
        self = np.asarray(data).view(cls)
        self.unit = unit
        return self

    def __array_finalize__(self, other: Any) -> None:
        self.unit = getattr(other, "unit", "none")


class Slotted(np.ndarray[Any, Any]):
    __slots__ = ("unit",)


class Stateful(np.ndarray[Any, Any]):
    """A subclass that pickles itself, as astropy's quantities do."""

    def __reduce__(self) -> Any:
        make, arguments, state = super().__reduce__()
        return make, arguments, (*state, self.note)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[:-1])
        self.note = state[-1]
        self.restored = True


def same_unit(here: Any, there: Any) -> None:
    same_array(here, there)
    assert here.unit == there.unit


def same_note(here: Any, there: Any) -> None:
    same_array(here, there)
    assert here.note == there.note
    assert here.restored


def same_masked(here: Any, there: Any) -> None:
    same_array(here.data, there.data)
    assert type(here) is type(there)
    assert (here._mask is np.ma.nomask) == (there._mask is np.ma.nomask)
    same_array(np.ma.getmaskarray(here), np.ma.getmaskarray(there))
    assert here.hardmask == there.hardmask
    assert here.fill_value == there.fill_value
    assert here[0].shape == there[0].shape


STRUCTURE = np.dtype([("id", "i4"), ("name", "U4"), ("at", "M8[s]"), ("in", [("x", "f8"), ("y", ">f4", (2, 3))])], align=True)


def structured() -> Any:
    made = np.zeros(N // 5, STRUCTURE)
    made["id"] = np.arange(N // 5)
    made["name"] = "abc"
    made["at"] = np.arange(N // 5)
    made["in"]["y"] = 1.5
    return made


def slotted() -> Any:
    made = np.arange(N).view(Slotted)
    made.unit = "m"
    return made


def stateful() -> Any:
    made = numbers("f8").view(Stateful)
    made.note = {"a": 1}
    return made


for code in "?bBhHiIlLqQefdgFDG":
    case(f"numpy {np.dtype(code).name} {code}", same=same_array)(lambda code=code: numbers(code))
for text in (">f8", ">i2", ">c16", "<U5", "S3", ">U3", "M8[ns]", "M8[D]", "m8[us]", ">M8[s]", "M8[25s]", "V10"):
    made = numbers("i8").astype(text) if "V" not in text else np.zeros(N, text)
    case(f"numpy {text}", same=same_array)(lambda made=made: made.copy())

case("numpy NaN and NaT", same=same_array)(lambda: np.array([np.nan, -0.0, np.inf] * N))
case("numpy structured", same=same_array)(structured)
case("numpy structured, field", same=same_array)(lambda: structured()["in"]["x"])
case("numpy recarray", same=same_array)(lambda: structured().view(np.recarray))
case("numpy record array", same=same_array)(lambda: np.rec.fromarrays([numbers("i8"), numbers("f8")], names="a,b"))
case("numpy matrix", same=same_array)(lambda: numbers("f8").reshape(100, -1).view(np.matrix))
case("numpy chararray", same=same_array)(lambda: numbers("i8").astype("S4").view(np.char.chararray))
case("numpy subclass", same=same_unit)(lambda: Quantity(numbers("f8"), "kg"))
case("numpy subclass, strided", same=same_unit)(lambda: Quantity(numbers("f8"), "kg")[::2])
case("numpy subclass with slots", same=same_unit)(slotted)
case("numpy subclass that pickles itself", same=same_note, mapped=False)(stateful)
case("numpy masked", same=same_masked)(lambda: np.ma.masked_array(numbers("f8"), numbers("?")))
case("numpy masked, no mask", same=same_masked)(lambda: np.ma.masked_array(numbers("f8")))
case("numpy masked, hard", same=same_masked)(
    lambda: np.ma.masked_array(numbers("i4"), numbers("?"), hard_mask=True, fill_value=-7)
)
case("numpy masked, structured", same=same_masked)(
    lambda: np.ma.masked_array(structured()[["id", "name"]], structured()["id"] % 2)
)
case("numpy masked matrix", same=same_masked)(lambda: np.ma.masked_array(numbers("f8").view(np.matrix), numbers("?")))
case("numpy Fortran", same=same_array)(lambda: np.asfortranarray(numbers("f8").reshape(100, 700)))
case("numpy permuted", same=same_array)(lambda: numbers("f8").reshape(10, 70, 100).transpose(2, 0, 1))
case("numpy strided", same=same_array)(lambda: numbers("f8").reshape(100, 700)[::2, 3::3])
case("numpy negative strides", same=same_array)(lambda: numbers("f8")[::-1])
case("numpy broadcast", same=same_array)(lambda: np.broadcast_to(numbers("f8", 700), (20, 700)))
case("numpy sliding", same=same_array)(lambda: np.lib.stride_tricks.sliding_window_view(numbers("f4", 3000), 30))
case("numpy slice of a larger one", same=same_array)(lambda: numbers("f8")[1000:60000])
case("numpy small", same=same_array, blobs=False)(lambda: numbers("f8", 10))
case("numpy of one page", same=same_array, blobs=False)(lambda: numbers("f8", 512))
case("numpy 0-d", same=same_array, blobs=False)(lambda: np.array(2.5))
case("numpy 0-d datetime", same=same_array, blobs=False)(lambda: np.array("2024-05-06", "M8[D]"))
case("numpy empty", same=same_array, blobs=False)(lambda: np.zeros((3, 0, 2)))
case("numpy empty, Fortran", same=same_array, blobs=False)(lambda: np.zeros((0, 3), "M8[s]", order="F"))
case("numpy without bytes", same=same_array, blobs=False)(lambda: np.zeros(5, "V0"))
case("numpy objects", same=same_array, blobs=False)(lambda: np.array([1, "a", None, (2, 3)], object))
case("numpy objects, Fortran", same=same_array, blobs=False)(lambda: np.array([["a", 1], ["b", 2]], object, order="F"))
case("numpy structured with objects", same=same_array, blobs=False)(lambda: np.array([(1, "a")], [("a", "i4"), ("b", object)]))
case("numpy scalars", blobs=False)(lambda: (np.float32(1.5), np.int8(3), np.True_, np.datetime64("2024-05-06"), np.str_("a")))
case("numpy void scalar", blobs=False)(lambda: structured()[0])
case("numpy dtypes", blobs=False)(lambda: [np.dtype("f8"), STRUCTURE, np.dtype(">i4")])
case("numpy poly1d", blobs=False)(lambda: np.poly1d([1.0, 2.0]))
case("numpy random generator", blobs=False, same=lambda a, b: equal(a.bit_generator.state, b.bit_generator.state))(
    lambda: np.random.default_rng(3)
)
if hasattr(np.dtypes, "StringDType"):
    case("numpy StringDType", same=same_array, blobs=False)(
        lambda: np.array(["a", "longer than sixteen bytes"], np.dtypes.StringDType())
    )

# --- the standard library ----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Fit:
    name: str
    weights: Any
    parent: Fit | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    data: bytes


class Point(NamedTuple):
    x: Any
    y: Any


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Plain:
    """Compared by what it holds."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def same_fit(here: Any, there: Any) -> None:
    assert type(here) is Fit
    assert here.name == there.name
    same_array(here.weights, there.weights)


def same_point(here: Any, there: Any) -> None:
    assert type(here) is Point
    for one, other in zip(here, there, strict=True):
        same_array(one, other)


def same_dict(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    assert list(here) == list(there)
    for key in there:
        same_array(here[key], there[key])


def shared() -> Any:
    one = numbers("f8")
    inner = [one]
    return {"a": one, "b": one, "c": inner, "d": inner, "view": one[10:]}


def same_shared(here: Any, there: Any) -> None:
    for key in ("a", "view"):
        same_array(here[key], there[key])
    assert here["a"] is here["b"]
    assert here["c"] is here["d"]
    assert here["c"][0] is here["a"]


def cycle() -> Any:
    fit = Fit("a", numbers("f4"))
    fit.parent = fit
    return [fit, {"fit": fit}]


def same_cycle(here: Any, there: Any) -> None:
    assert here[0].parent is here[0]
    assert here[1]["fit"] is here[0]
    same_array(here[0].weights, there[0].weights)


def list_cycle() -> Any:
    made: list[Any] = [1]
    made.append(made)
    return made


def same_list_cycle(here: Any, there: Any) -> None:
    assert here[0] == 1
    assert here[1] is here


def object_cycle() -> Any:
    made = np.empty(2, object)
    made[0] = "a"
    made[1] = made
    return made


def same_object_cycle(here: Any, there: Any) -> None:
    assert here[0] == "a"
    assert here[1] is here


def default_dict() -> Any:
    made = collections.defaultdict(list, a=[1])
    made["b"].append(2)
    return made


case("dataclass", same=same_fit)(lambda: Fit("a", numbers("f8")))
case("dataclass, frozen, with slots", mapped=False)(lambda: Frozen("a", bytes(N)))
case("named tuple", same=same_point)(lambda: Point(numbers("f8"), numbers("i4")))
case("OrderedDict", same=same_dict)(lambda: collections.OrderedDict(z=numbers("f8"), a=numbers("f4")))
case("shared references", same=same_shared)(shared)
case("cycle", same=same_cycle)(cycle)
case("cycle of a list", same=same_list_cycle, blobs=False)(list_cycle)
case("cycle of an array", same=same_object_cycle, blobs=False)(object_cycle)
case("object with arrays", same=lambda a, b: same_array(a.array, b.array))(lambda: Plain(array=numbers("f8")))
case("plain object", blobs=False)(lambda: Plain(a=1, b=[2], c=Colour.RED))
case("defaultdict", blobs=False)(default_dict)
case("Counter, deque, frozenset", blobs=False)(
    lambda: (collections.Counter("abca"), collections.deque([1], 3), frozenset({1, "a"}))
)
case("numbers", blobs=False)(lambda: (1, 1.0, True, 2**100, 1j, decimal.Decimal("1.10"), fractions.Fraction(1, 3)))
case("times", blobs=False)(
    lambda: (datetime.datetime(2024, 5, 6, 7, tzinfo=datetime.UTC), datetime.date(2024, 5, 6), datetime.timedelta(1, 2, 3))
)
case("others", blobs=False)(
    lambda: (uuid.UUID(int=5), pathlib.PurePosixPath("/a"), range(3), Colour.BLUE, len, Plain, Ellipsis, re.compile("a"))
)
case("bytes", mapped=False)(lambda: bytes(range(256)) * 300)
case("bytearray", mapped=False)(lambda: bytearray(range(256)) * 300)
case("text", mapped=False)(lambda: "text \u20ac " * N)
case("ASCII text", mapped=False)(lambda: "text " * N)
case("array.array", mapped=False)(lambda: array.array("d", range(N)))
case("many of all kinds", mapped=False)(
    lambda: [bytes([i]) * (1 << i) for i in range(20)] + ["%d" % i * (1 << i) for i in range(18)]
)

# --- pandas ------------------------------------------------------------------------------------------------------


def library(name: str) -> Any:
    return importlib.import_module(name)


def same_frame(here: Any, there: Any) -> None:
    testing = library("pandas.testing")
    assert type(here) is type(there)
    compare = testing.assert_series_equal if here.ndim == 1 else testing.assert_frame_equal
    compare(here, there, check_exact=True, check_freq=True)
    assert here.attrs == there.attrs
    library("pandas").testing.assert_index_equal(here.index, there.index, exact=True)


def same_index(here: Any, there: Any) -> None:
    library("pandas").testing.assert_index_equal(here, there, exact=True)


def frame() -> Any:
    pandas = library("pandas")
    count = 40_000
    made = pandas.DataFrame(
        {
            "float": numbers("f8", count),
            "int": numbers("i8", count),
            "bool": numbers("?", count),
            "text": [f"row {i}" for i in range(count)],
            "when": pandas.date_range("2024-01-01", periods=count, freq="min"),
            "zone": pandas.date_range("2024-01-01", periods=count, freq="min", tz="Europe/Vienna"),
            "span": pandas.to_timedelta(numbers("i8", count), unit="s"),
            "category": pandas.Categorical(["a", "b"] * (count // 2), ordered=True),
            "nullable": pandas.array([1, None] * (count // 2), dtype="Int32"),
            "object": [(1, "a")] + [None] * (count - 1),
            "period": pandas.period_range("2024-01-01", periods=count, freq="h"),
            "interval": pandas.interval_range(0, count),
        }
    )
    made.attrs["source"] = "test"
    return made


def multi_index() -> Any:
    pandas = library("pandas")
    index = pandas.MultiIndex.from_product([["a", "b"], range(10_000)], names=["x", "y"])
    return pandas.DataFrame({"v": numbers("f8", 20_000)}, index=index)


case("pandas frame", "pandas", same=same_frame)(frame)
case("pandas frame, numbers", "pandas", same=same_frame)(lambda: library("pandas").DataFrame(numbers("f8").reshape(700, 100)))
case("pandas frame, slice", "pandas", same=same_frame)(lambda: frame().iloc[100:35_000:2, 1:])
case("pandas MultiIndex", "pandas", same=same_frame)(multi_index)
case("pandas series", "pandas", same=same_frame)(lambda: library("pandas").Series(numbers("f8"), name="a"))
case("pandas series of times", "pandas", same=same_frame)(lambda: frame()["zone"])
case("pandas sparse", "pandas", same=same_frame)(
    lambda: library("pandas").Series(library("pandas").arrays.SparseArray(numbers("i8")), name="s")
)
case("pandas index", "pandas", same=same_index)(lambda: library("pandas").Index(numbers("i8") * 3, name="i"))
case("pandas times index", "pandas", same=same_index)(lambda: library("pandas").date_range("2024", periods=N, freq="h"))
case("pandas arrow types", "pandas", "pyarrow", same=same_frame)(
    lambda: frame()[["float", "text"]].convert_dtypes(dtype_backend="pyarrow")
)

# --- Arrow and polars --------------------------------------------------------------------------------------------


def same_arrow(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    assert (here.schema if hasattr(there, "schema") else here.type) == (there.schema if hasattr(there, "schema") else there.type)
    assert here.equals(there)
    here.validate(full=True)


def table() -> Any:
    arrow = library("pyarrow")
    count = 20_000
    columns = {
        "int": arrow.array([1, None, 3, 4] * (count // 4)),
        "text": arrow.array([f"row {i}" for i in range(count)]),
        "views": arrow.array([f"row that is longer than twelve bytes {i}" for i in range(count)], arrow.string_view()),
        "category": arrow.array(["a", "b"] * (count // 2)).dictionary_encode(),
        "list": arrow.array([[1, 2], None] * (count // 2)),
        "struct": arrow.array([{"a": 1, "b": "x"}] * count),
        "bool": arrow.array([True, None] * (count // 2)),
        "when": arrow.array(range(count), arrow.timestamp("us", "UTC")),
        "null": arrow.nulls(count),
    }
    return arrow.table(columns).replace_schema_metadata({"made": "by a test"})


def same_polars(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    if hasattr(there, "schema"):
        assert here.schema == there.schema
    else:
        assert (here.name, here.dtype) == (there.name, there.dtype)
    assert here.equals(there, null_equal=True)


def polars_frame() -> Any:
    polars = library("polars")
    count = 20_000
    return polars.DataFrame(
        {
            "float": numbers("f8", count),
            "int": polars.Series([1, None] * (count // 2), dtype=polars.Int16),
            "text": [f"row that is longer than twelve bytes {i}" for i in range(count)],
            "when": [datetime.datetime(2024, 5, 6)] * count,
            "zone": polars.Series([datetime.datetime(2024, 5, 6)] * count, dtype=polars.Datetime("us", "UTC")),
            "category": polars.Series(["a", "b"] * (count // 2), dtype=polars.Categorical),
            "enum": polars.Series(["a", "b"] * (count // 2), dtype=polars.Enum(["b", "a"])),
            "list": [[1, 2], [3]] * (count // 2),
            "fixed": polars.Series([[1, 2]] * count, dtype=polars.Array(polars.Int8, 2)),
            "struct": [{"a": 1, "b": "x"}] * count,
            "decimal": [decimal.Decimal("1.10")] * count,
            "bytes": [b"a"] * count,
            "bool": [True, None] * (count // 2),
            "null": [None] * count,
        }
    )


case("arrow table", "pyarrow", same=same_arrow)(table)
case("arrow table, slice", "pyarrow", same=same_arrow)(lambda: table().slice(1_000, 17_000))
case("arrow table of chunks", "pyarrow", same=same_arrow)(lambda: library("pyarrow").concat_tables([table(), table()]))
case("arrow batch", "pyarrow", same=same_arrow)(lambda: table().to_batches()[0])
case("arrow array", "pyarrow", same=same_arrow)(lambda: library("pyarrow").array(numbers("f8")))
case("arrow buffer", "pyarrow", same=lambda a, b: equal(a.to_pybytes(), b.to_pybytes()))(
    lambda: library("pyarrow").py_buffer(bytes(N))
)
case("polars frame", "polars", "pyarrow", same=same_polars)(polars_frame)
case("polars frame, slice", "polars", "pyarrow", same=same_polars)(lambda: polars_frame().slice(1_000, 17_000))
case("polars series", "polars", "pyarrow", same=same_polars)(lambda: library("polars").Series("a", numbers("f8")))
case("polars series without a name", "polars", "pyarrow", same=same_polars)(lambda: library("polars").Series(numbers("i4")))
case("polars frame without a name", "polars", same=same_polars, mapped=False)(
    lambda: library("polars").DataFrame({"": numbers("i4")})
)
case("polars 128 bits", "polars", same=same_polars, mapped=False)(
    lambda: library("polars").Series([1] * N, dtype=library("polars").Int128)
)
case("polars lazy frame", "polars", same=lambda a, b: same_polars(a.collect(), b.collect()), mapped=False)(
    lambda: polars_frame().drop("category", "enum").lazy().filter(library("polars").col("float") > 0)
)

# --- scipy, xarray, scikit-learn ---------------------------------------------------------------------------------


def same_sparse(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    assert (here.dtype, here.shape, here.nnz) == (there.dtype, there.shape, there.nnz)
    assert (here.tocsr() != there.tocsr()).nnz == 0


def sparse(kind: str) -> Any:
    module = library("scipy.sparse")
    if kind == "dia":
        return module.dia_matrix((numbers("f8").reshape(7, -1), np.arange(7)), shape=(10_000, 10_000))
    return module.random(3000, 400, 0.02, "csr", rng=np.random.default_rng(1)).asformat(kind)


for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
    case(f"scipy {kind}", "scipy", same=same_sparse, mapped=kind not in ("dok", "lil"))(lambda kind=kind: sparse(kind))
case("scipy csr array", "scipy", same=same_sparse)(lambda: library("scipy.sparse").csr_array(sparse("csr")))


def dataset() -> Any:
    xarray = library("xarray")
    return xarray.Dataset(
        {"t": (("x", "y"), numbers("f8").reshape(700, 100), {"unit": "K"}), "n": ("x", numbers("i4", 700))},
        coords={"x": np.arange(700), "when": ("y", np.arange(100).astype("M8[D]").astype("M8[ns]"))},
        attrs={"title": "test"},
    )


def same_xarray(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    assert here.identical(there)


case("xarray dataset", "xarray", same=same_xarray)(dataset)
case("xarray array", "xarray", same=same_xarray)(lambda: dataset()["t"])

ROWS = 3000


def samples() -> tuple[Any, Any]:
    random = np.random.default_rng(7)
    inputs = random.normal(size=(ROWS, 12))
    return inputs, (inputs[:, 0] + inputs[:, 1] ** 2 + random.normal(size=ROWS) > 0.8).astype(int)


MODELS: dict[str, tuple[str, Callable[[Any], Any], bool]] = {
    "linear": ("linear_model", lambda m: m.LinearRegression(), False),
    "logistic": ("linear_model", lambda m: m.LogisticRegression(), False),
    "nearest, k-d tree": ("neighbors", lambda m: m.KNeighborsClassifier(algorithm="kd_tree"), True),
    "nearest, ball tree": ("neighbors", lambda m: m.KNeighborsRegressor(algorithm="ball_tree"), True),
    "support vectors": ("svm", lambda m: m.SVC(C=0.1), True),
    "forest": ("ensemble", lambda m: m.RandomForestRegressor(5, random_state=1, max_features=1), True),
    "boosting": ("ensemble", lambda m: m.HistGradientBoostingClassifier(max_iter=3, random_state=1), False),
    "k-means": ("cluster", lambda m: m.MiniBatchKMeans(3, random_state=1, n_init=1), False),
    "perceptron": ("neural_network", lambda m: m.MLPClassifier((200, 200), max_iter=2, random_state=1), True),
    "components": ("decomposition", lambda m: m.PCA(5), False),
}


def fitted(name: str) -> Any:
    module, make, _ = MODELS[name]
    inputs, target = samples()
    with warnings.catch_warnings(), library("threadpoolctl").threadpool_limits(1):
        warnings.simplefilter("ignore")  # Some do not converge, in so few steps.
        return make(library("sklearn." + module)).fit(inputs, target)


def pipeline() -> Any:
    steps = [("scale", library("sklearn.preprocessing").StandardScaler()), ("fit", library("sklearn.svm").SVC(C=0.1))]
    return library("sklearn.pipeline").Pipeline(steps).fit(*samples())


def same_model(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    assert repr(here.get_params()) == repr(there.get_params())
    inputs, _ = samples()
    ask = "predict" if hasattr(there, "predict") else "transform"
    same_array(getattr(here, ask)(inputs[:200]), getattr(there, ask)(inputs[:200]))


for name, (_, _, large) in MODELS.items():
    case(f"sklearn {name}", "sklearn", same=same_model, blobs=large, mapped=name != "forest")(lambda name=name: fitted(name))
case("sklearn pipeline", "sklearn", same=same_model)(pipeline)

# --- torch, dask -------------------------------------------------------------------------------------------------


def same_tensor(here: Any, there: Any) -> None:
    torch = library("torch")
    assert type(here) is type(there)
    assert (here.dtype, here.shape, here.requires_grad) == (there.dtype, there.shape, there.requires_grad)
    if there.layout == torch.strided:
        assert here.stride() == there.stride()
    assert torch.equal(here.to_dense(), there.to_dense())


def same_tensors(here: Any, there: Any) -> None:
    for one, other in zip(here, there, strict=True):
        same_tensor(one, other)


def tensor(dtype: str) -> Any:
    torch = library("torch")
    return (torch.arange(N) % 127).to(getattr(torch, dtype))


def tensor_views() -> Any:
    one = tensor("float32")
    return [one, one[10:20], one.view(100, 700).T]


def same_views(here: Any, there: Any) -> None:
    same_tensors(here, there)
    here[0][10] = -5
    assert here[1][0] == -5


def network() -> Any:
    torch = library("torch")
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(300, 200), torch.nn.BatchNorm1d(200), torch.nn.Linear(200, 2)).to(torch.bfloat16)


def same_network(here: Any, there: Any) -> None:
    assert repr(here) == repr(there)
    for (name, one), (_, other) in zip(here.state_dict().items(), there.state_dict().items(), strict=True):
        assert name
        same_tensor(one, other)
    here.train()(tensor("bfloat16")[:1200].view(4, 300)).sum().backward()
    library("torch").optim.SGD(here.parameters(), 0.1).step()


def parameter() -> Any:
    return library("torch").nn.Parameter(tensor("float32"))


for dtype in ("float32", "float64", "float16", "bfloat16", "int8", "uint8", "int64", "bool", "complex64"):
    case(f"torch {dtype}", "torch", same=same_tensor)(lambda dtype=dtype: tensor(dtype))
case("torch views", "torch", same=same_views)(tensor_views)
case("torch network", "torch", same=same_network, mapped=True)(network)
case("torch parameter", "torch", same=same_tensor)(parameter)
case("torch empty and small", "torch", same=same_tensors, blobs=False)(
    lambda: [tensor("float32")[:0].clone(), tensor("int64")[:7].clone()]
)


def same_dask(here: Any, there: Any) -> None:
    assert type(here) is type(there)
    same_array(here.compute(scheduler="sync"), there.compute(scheduler="sync"))


case("dask array", "dask", same=same_dask)(lambda: library("dask.array").from_array(numbers("f8"), chunks=20_000) + 1)
