"""Which values cannot change in place, so that being the same object is enough."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import logging
import pathlib
import re
import types
import uuid

import numpy as np

from ndstash._identity.cells import Empty
from ndstash._identity.code import DESCRIPTORS, is_memoized, is_opaque

SCALARS = (type(None), bool, int, float, complex, str, bytes)
FIXED = {
    *SCALARS,
    object,
    Empty,
    types.EllipsisType,
    types.NotImplementedType,
    range,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    re.Pattern,
    datetime.date,
    datetime.time,
    datetime.datetime,
    datetime.timedelta,
    datetime.timezone,
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    pathlib.WindowsPath,
    pathlib.PureWindowsPath,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
}
BASES = (type, enum.Enum, np.generic, np.dtype, np.ufunc, logging.Logger, staticmethod, classmethod, property, *DESCRIPTORS)
"""Their subclasses too. Functions, classes and modules are watched on their own; a logger is its name."""


def is_fixed(value: object) -> bool:
    """Whether a value and all that it holds stay as they are."""
    kind = type(value)
    if kind in FIXED or isinstance(value, BASES):
        return not isinstance(value, np.void)
    if is_memoized(value) or is_opaque(value):
        return True
    if kind is types.MethodType:
        return is_fixed(value.__self__)  # type: ignore[attr-defined]  # the kind has it
    if isinstance(value, tuple | frozenset) and not getattr(value, "__dict__", None):
        return all(map(is_fixed, value))
    return False
