"""Code objects where there is no source: what they do, without file, line and column."""

from __future__ import annotations

import importlib.util
from types import CodeType

from ndstash import _core
from ndstash._describe import describe

MAGIC = importlib.util.MAGIC_NUMBER


def digest_of(code: CodeType) -> str:
    """The digest of a code object. It holds for one version of Python's byte code only."""
    return _core.digest(_core.canonical((MAGIC, normal(code)), describe))


def normal(code: CodeType) -> object:
    """A plain structure that is equal for equal code."""
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    constants = [_constant(one) for one in code.co_consts]
    return (code.co_name, counts, names, code.co_code, code.co_exceptiontable, constants)


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return normal(value)
    if isinstance(value, tuple):
        return tuple(_constant(one) for one in value)
    return ("text", value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else value
