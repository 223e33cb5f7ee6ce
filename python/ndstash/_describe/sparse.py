"""Sparse matrices and arrays of SciPy: by format, shape and entries; flags that it remembers do not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ndstash._core import Named

Rule = Callable[[Any], object]


def rule(kind: type) -> Rule | None:
    """The rule for a sparse type of SciPy itself, or none."""
    if not kind.__module__.startswith("scipy.sparse"):
        return None
    return next((found for end, found in _FORMATS.items() if kind.__name__ in (f"{end}_matrix", f"{end}_array")), None)


def _named(matrix: Any, *content: object) -> object:
    return Named(f"scipy.sparse.{type(matrix).__name__}", (matrix.shape, *content))


def _compressed(matrix: Any) -> object:
    """There may be room behind the last entry."""
    used = int(matrix.indptr[-1])
    return _named(matrix, matrix.data[:used], matrix.indices[:used], matrix.indptr)


def _coordinates(matrix: Any) -> object:
    return _named(matrix, matrix.data, list(matrix.coords))


def _diagonals(matrix: Any) -> object:
    return _named(matrix, matrix.data, matrix.offsets)


def _lists(matrix: Any) -> object:
    return _named(matrix, matrix.dtype.str, matrix.rows, matrix.data)


def _keys(matrix: Any) -> object:
    entries = {_place(key): value for key, value in matrix.items()}
    return _named(matrix, matrix.dtype.str, entries)


def _place(key: Any) -> object:
    return tuple(int(at) for at in key) if isinstance(key, tuple) else int(key)


_FORMATS: dict[str, Rule] = {
    "csr": _compressed,
    "csc": _compressed,
    "bsr": _compressed,
    "coo": _coordinates,
    "dia": _diagonals,
    "lil": _lists,
    "dok": _keys,
}
