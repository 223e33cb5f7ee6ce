"""Which values cannot change in place, so that being the same object is enough."""

from __future__ import annotations

import datetime
import enum
import re
import sys
import types

import numpy as np

from ndstash._identity.cells import Empty
from ndstash._identity.code import DESCRIPTORS, is_memoized, is_opaque
from ndstash._loaded import name_among

SCALARS = (type(None), bool, int, float, complex, str, bytes)
FIXED = {
    *SCALARS,
    object,
    Empty,
    types.EllipsisType,
    types.NotImplementedType,
    range,
    re.Pattern,
    datetime.date,
    datetime.time,
    datetime.datetime,
    datetime.timedelta,
    datetime.timezone,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
}
FIXED_BY_NAME = {
    "decimal.Decimal",
    "fractions.Fraction",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "uuid.UUID",
}
"""The same, of modules that are slow to load."""
BASES = (type, enum.Enum, np.generic, np.dtype, np.ufunc, staticmethod, classmethod, property, *DESCRIPTORS)
"""Their subclasses too. Functions, classes and modules are watched on their own."""


def is_fixed(value: object) -> bool:
    """Whether a value and all that it holds stay as they are."""
    kind = type(value)
    if kind in FIXED or isinstance(value, BASES):
        return not isinstance(value, np.void)
    if name_among(FIXED_BY_NAME, kind):
        return True
    if is_memoized(value) or is_opaque(value) or _is_logger(value):
        return True
    if kind is types.MethodType:
        return is_fixed(value.__self__)  # type: ignore[attr-defined]  # the kind has it
    if isinstance(value, tuple | frozenset) and not hasattr(value, "__dict__"):
        return all(map(is_fixed, value))
    return False


def _is_logger(value: object) -> bool:
    """A logger is its name. Who has one has loaded the module."""
    return isinstance(value, getattr(sys.modules.get("logging"), "Logger", ()))
