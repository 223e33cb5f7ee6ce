"""Computes what is missing: over all threads and processes one does, and the others wait for what it stores."""

from contextlib import nullcontext
from time import perf_counter
from typing import Any

from ndstash._core import Flight, Key
from ndstash._memo.function import NOT_THERE, Function, Miss
from ndstash.errors import Busy, Error

FORCED = Miss("it is asked for anew")


def call(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], miss: Miss = NOT_THERE) -> Any:
    """The result of a call that was not found the short way, and why; found or computed."""
    key = function.try_key(args, kwargs)
    if key is None:
        return function.run(args, kwargs)
    found = function.find(key) if miss is NOT_THERE else miss
    return obtain(function, key, found, args, kwargs) if type(found) is Miss else found


def call_anew(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call, computed in any case."""
    key = function.try_key(args, kwargs)
    return function.run(args, kwargs) if key is None else obtain(function, key, FORCED, args, kwargs)


def obtain(function: Function, key: Key, miss: Miss, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call that was missing: computed here, or by somebody else meanwhile."""
    if not function.handle.core.enabled:
        return function.run(args, kwargs)
    try:
        flight = take(function, key, 0.0 if miss.stale else None)
    except Busy as error:
        if miss.stale is not None and type(value := function.hand_out(key, miss.stale)) is not Miss:
            return value
        unlocked(function, error)
        flight = None
    with flight or nullcontext():
        found = function.find(key, again=True) if flight and miss is not FORCED else miss
        return compute(function, key, found, args, kwargs)[1] if type(found) is Miss else found


def take(function: Function, key: Key, wait: float | None) -> Flight | None:
    """The right to compute; None where that is not to be had and nobody is to be waited for. Raises Busy."""
    if not function.options.lock:
        return None
    try:
        function.handle.renew()
        return function.handle.core.flight(key, wait)
    except Busy:
        raise
    except Error as error:
        unlocked(function, error)
        return None


def unlocked(function: Function, error: Error) -> None:
    """Tells that a function is computed that somebody else may be computing, too."""
    function.trouble("lock", error, "could not be locked, and may be computed more than once")


def compute(
    function: Function, key: Key, miss: Miss, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    """Computes and stores a result. Returns it as it was computed, and as a hit will: the same, if it was not stored."""
    function.missed(key, miss)
    start = perf_counter()
    value = function.run(args, kwargs)
    time = perf_counter() - start
    function.check_mutation(key, args, kwargs)
    return value, function.keep(key, value, time)
