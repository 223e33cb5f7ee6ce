"""Readable names of functions, classes and modules."""

from __future__ import annotations

import functools
from types import MethodType, ModuleType
from typing import Any

from ndstash._describe import type_name
from ndstash._describe.names import global_name, module_name
from ndstash._identity.code import home_of


def name_of(value: Any) -> str:
    """The name of a function, or of what is inside a partial or method; of a callable object that of its type."""
    value = inside(value)
    if isinstance(value, ModuleType):
        return module_name(value.__name__)
    try:
        return global_name(value)
    except TypeError:
        return type_name(type(value))


def place_of(value: object) -> str:
    """Where the code of a function, class or module lies."""
    if isinstance(value, ModuleType):
        return value.__name__
    name = getattr(value, "__qualname__", None)
    return f"{home_of(value)}.{name}" if isinstance(name, str) else type_name(type(value))


def inside(value: Any) -> object:
    """The function that partials and methods are of."""
    while isinstance(value, functools.partial | MethodType):
        value = value.func if isinstance(value, functools.partial) else value.__func__
    return value
