"""polars: by schema and values; chunks and bytes under a null do not count. Needs no Arrow."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ndstash._core import Named

Rule = Callable[[Any], object]


def rule(kind: type) -> Rule | None:
    """The rule for a type of polars itself, or none."""
    polars: Any = sys.modules["polars"]
    if kind is polars.DataFrame:
        return lambda frame: Named("polars.DataFrame", (frame.height, frame.get_columns()))
    return _series if kind is polars.Series else None


def _series(series: Any) -> object:
    return Named("polars.Series", (series.name, *_column(series)))


def _column(series: Any) -> tuple[object, ...]:
    nulls = series.is_null().to_numpy() if series.null_count() else None
    return (str(series.dtype), len(series), nulls, _content(series.drop_nulls()))


def _content(present: Any) -> object:
    name = type(present.dtype).__name__
    if name in ("Categorical", "Enum"):
        return _texts(present.cast(sys.modules["polars"].String))
    return _RULES[name](present) if name in _RULES else _numbers(present)


def _numbers(present: Any) -> object:
    dtype = present.dtype
    wide = dtype.is_decimal() or dtype.is_integer() and "128" in str(dtype)
    if dtype.is_numeric() and not wide or dtype.is_temporal() or str(dtype) == "Boolean":
        return present.to_physical().to_numpy()
    return present.to_list()


def _texts(present: Any) -> object:
    return (present.str.len_bytes().to_numpy(), "".join(present.to_list()).encode())


def _lists(present: Any) -> object:
    lengths = present.list.len()
    return (lengths.to_numpy(), *_column(present.filter(lengths > 0).explode()))


def _rows(present: Any) -> object:
    return [(name, *_column(present.struct.field(name))) for name in present.struct.fields]


_RULES: dict[str, Rule] = {"String": _texts, "List": _lists, "Struct": _rows}
