"""pandas: by index, columns and values; how values lie in blocks does not count."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ndstash._core import Named
from ndstash._describe.names import type_name

Rule = Callable[[Any], object]


def rule(kind: type) -> Rule | None:
    """The rule for a type of pandas itself, or none."""
    pandas: Any = sys.modules["pandas"]
    rules: tuple[tuple[type, Rule], ...] = (
        (pandas.DataFrame, _frame),
        (pandas.Series, _series),
        (pandas.RangeIndex, _range),
        (pandas.MultiIndex, _levels),
        (pandas.Index, _index),
        (pandas.Categorical, _categorical),
        (pandas.api.extensions.ExtensionArray, _extension),
    )
    return next((found for base, found in rules if issubclass(kind, base)), None)


def _frame(frame: Any) -> object:
    return Named("pandas.DataFrame", {"columns": frame.columns, "index": frame.index, "data": _data(frame), **_notes(frame)})


def _data(frame: Any) -> object:
    """One array if all columns are numbers of one type, each column one row; else column by column."""
    kinds = set(frame.dtypes)
    if len(kinds) == 1 and _is_number(next(iter(kinds))):
        return frame.to_numpy().T
    return [_values(column) for _, column in frame.items()]


def _is_number(dtype: object) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biufc"


def _series(series: Any) -> object:
    content = {"name": series.name, "index": series.index, "data": _values(series), **_notes(series)}
    return Named("pandas.Series", content)


def _values(column: Any) -> object:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def _notes(value: Any) -> dict[str, object]:
    """What is rarely there."""
    notes: dict[str, object] = {"attrs": value.attrs} if value.attrs else {}
    return notes if value.flags.allows_duplicate_labels else {**notes, "unique": True}


def _range(index: Any) -> object:
    return Named("pandas.RangeIndex", (index.start, index.stop, index.step, index.name))


def _levels(index: Any) -> object:
    levels = [index.get_level_values(level) for level in range(index.nlevels)]
    return Named("pandas.MultiIndex", (list(index.names), levels))


def _index(index: Any) -> object:
    frequency = getattr(index, "freqstr", None)
    return Named(f"pandas.{type(index).__name__}", (index.name, frequency, _values(index)))


def _categorical(values: Any) -> object:
    return Named("pandas.Categorical", (values.codes, values.categories, bool(values.ordered)))


def _extension(values: Any) -> object:
    """An extension array, by the name of its dtype and what its kind is made of."""
    return Named(f"pandas.array[{type(values.dtype).__name__}]", _content(values))


def _content(values: Any) -> object:
    dtype = values.dtype
    if hasattr(values, "asi8"):
        return (getattr(dtype, "unit", None), getattr(dtype, "tz", None), getattr(values, "freqstr", None), values.asi8)
    if isinstance(dtype, np.dtype):
        return values.to_numpy()
    if hasattr(values, "_mask") and hasattr(dtype, "numpy_dtype"):
        return (str(dtype), values.isna(), values.to_numpy(dtype=dtype.numpy_dtype, na_value=0))
    if hasattr(values, "_pa_array"):
        return (str(dtype), values.__arrow_array__())
    if hasattr(values, "closed"):
        return (values.closed, values.left, values.right)
    if hasattr(values, "sp_values"):
        return (len(values), values.fill_value, values.sp_values, values.sp_index.to_int_index().indices)
    return (type_name(type(values)), str(dtype), list(values))
