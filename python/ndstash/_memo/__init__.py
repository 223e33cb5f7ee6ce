"""Functions whose results are stored."""

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

from ndstash._handle import Handle
from ndstash._memo.asking import Asking
from ndstash._memo.memoized import AsyncMemoized, Memoized
from ndstash._memo.options import MemoizeOptions, Options
from ndstash._memo.ref import Ref

__all__ = ["AsyncMemoized", "MemoizeOptions", "Memoized", "Options", "Ref", "memoize"]


def memoize(handle: Handle, function: Any, options: Options) -> Any:
    """The memoized form of a function, method, class or static method, coroutine function, partial or callable object."""
    if isinstance(function, classmethod | staticmethod):
        return type(function)(memoize(handle, function.__func__, options))
    if isinstance(function, MethodType):
        return memoize(handle, function.__func__, options).__get__(function.__self__)
    if isinstance(function, Asking):
        return memoize(handle, function.__wrapped__, options)
    if not callable(function):
        raise TypeError(f"expected a function, not {function!r}")
    return (AsyncMemoized if _is_async(function) else Memoized)(handle, function, options)


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether a call is to be awaited; or, of an asynchronous generator, gone through so."""
    called = type(function).__call__ if not inspect.isroutine(function) else function
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(is_kind(candidate) for is_kind in kinds for candidate in (function, called))
