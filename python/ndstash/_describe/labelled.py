"""xarray: by dimensions, coordinates, values and attributes; encodings for files do not count."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ndstash._core import Named
from ndstash._describe.names import type_name

Rule = Callable[[Any], object]


def rule(kind: type) -> Rule | None:
    """The rule for a type of xarray itself, or none."""
    xarray: Any = sys.modules["xarray"]
    rules: tuple[tuple[type, Rule], ...] = (
        (xarray.Variable, _variable),
        (xarray.DataArray, _array),
        (xarray.Dataset, _dataset),
    )
    return next((found for base, found in rules if issubclass(kind, base)), None)


def _variable(variable: Any) -> object:
    return Named(f"xarray.{type(variable).__name__}", (variable.dims, variable.data, dict(variable.attrs)))


def _array(array: Any) -> object:
    return Named("xarray.DataArray", (array.name, array.variable, _coordinates(array)))


def _dataset(dataset: Any) -> object:
    return Named("xarray.Dataset", (dict(dataset.variables), _coordinates(dataset), dict(dataset.attrs)))


def _coordinates(value: Any) -> object:
    variables = {name: coordinate.variable for name, coordinate in value.coords.items()}
    return (variables, {name: type_name(type(index)) for name, index in value.xindexes.items()})
