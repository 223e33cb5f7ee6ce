"""Equal numbers of different types, made the same."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ndstash._memo.binding import Binder


def meeting(bind: Binder) -> Binder:
    """A binder by which equal numbers of different types meet."""
    return lambda *args, **kwargs: {name: untyped(value) for name, value in bind(*args, **kwargs).items()}


def untyped(value: Any) -> Any:
    """A value in which 1, 1.0 and True are the same; also inside of plain containers."""
    convert = _CONVERT.get(type(value))
    if convert is not None:
        return convert(value)
    return untyped(value.item()) if isinstance(value, np.bool_ | np.number) else value


def _of_float(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _of_complex(value: complex) -> int | float | complex:
    return value if value.imag else _of_float(value.real)


_CONVERT: dict[type, Callable[[Any], Any]] = {
    bool: int,
    float: _of_float,
    complex: _of_complex,
    list: lambda value: [untyped(item) for item in value],
    tuple: lambda value: tuple(untyped(item) for item in value),
    set: lambda value: {untyped(item) for item in value},
    frozenset: lambda value: frozenset(untyped(item) for item in value),
    dict: lambda value: {untyped(key): untyped(item) for key, item in value.items()},
}
