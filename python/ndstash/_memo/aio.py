"""The same for coroutines: tasks of one loop share one computation, and nothing blocks the loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from ndstash._core import Flight, Key
from ndstash._memo.batch import Call, shown
from ndstash._memo.flight import FORCED, take, unlocked
from ndstash._memo.function import NOT_THERE, Function, Miss
from ndstash.errors import Busy

WAIT = 3600.0
"""How many seconds somebody else's computation is waited for, unless the cache says otherwise."""
NESTED_WAIT = 600.0
"""The same while another computation waits for this one."""
FIRST_POLL, LAST_POLL = 0.002, 0.1
"""How many seconds pass between two looks whether another process is done: more and more."""

Place = tuple[asyncio.AbstractEventLoop, str, Key]
"""A call, in a loop and a store."""

_running: dict[Place, asyncio.Future[Any]] = {}
"""What tasks are computing. A future's result is what could not be stored, or a `Miss` where the store has it or nobody does."""

_above: ContextVar[frozenset[Place]] = ContextVar("ndstash_above", default=frozenset())
"""The calls that this task, or those that started it, are computing: nobody waits for oneself."""


async def call(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call, found or computed."""
    found = function.recall(args, kwargs)
    if type(found) is not Miss:
        return found
    key = function.try_key(args, kwargs)
    if key is None:
        return await run(function, args, kwargs)
    found = function.find(key) if found is NOT_THERE else found
    return await obtain(function, key, found, args, kwargs) if type(found) is Miss else found


async def call_anew(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call, computed in any case."""
    key = function.try_key(args, kwargs)
    return await (run(function, args, kwargs) if key is None else obtain(function, key, FORCED, args, kwargs))


async def results(function: Function, calls: list[Call]) -> list[Any]:
    """The results of calls, in their order, all awaited at once."""

    async def settle(one: Call) -> Any:
        one.settle(await call(function, one.args, one.kwargs))
        return one.value

    with shown(function, calls):
        return await asyncio.gather(*map(settle, calls))


async def run(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Runs the function."""
    made = function.function(*args, **kwargs)
    if isinstance(made, AsyncIterator):
        return [item async for item in made]
    return await made


async def obtain(function: Function, key: Key, miss: Miss, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call that was missing: computed here, or by somebody else meanwhile."""
    if not function.handle.core.enabled:
        return await run(function, args, kwargs)
    place = asyncio.get_running_loop(), function.handle.settings.directory, key
    if not function.options.lock or place in _above.get():
        return (await _compute(function, key, miss, args, kwargs))[1]
    while place in _running:
        if miss.stale is not None and type(value := function.hand_out(key, miss.stale)) is not Miss:
            return value
        try:
            value = await asyncio.wait_for(asyncio.shield(_running[place]), _patience(function))
        except TimeoutError:
            return (await _compute(function, key, miss, args, kwargs))[1]
        value = function.find(key) if type(value) is Miss else value
        if miss is not FORCED and type(value) is not Miss:
            return value
    return await _lead(function, place, miss, args, kwargs)


async def _lead(function: Function, place: Place, miss: Miss, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Computes while other tasks of this loop wait."""
    outcome = _running[place] = place[0].create_future()
    above = _above.set(_above.get() | {place})
    try:
        made, value = await _fly(function, place[2], miss, args, kwargs)
        if made is value:
            outcome.set_result(value)
        return value
    finally:
        _above.reset(above)
        del _running[place]
        if not outcome.done():
            outcome.set_result(miss)


async def _fly(
    function: Function, key: Key, miss: Miss, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    """Computes while other processes wait. Returns what was computed here, if anything was, and the result."""
    try:
        flight = await _take(function, key, 0.0 if miss.stale else _patience(function))
    except Busy as error:
        if miss.stale is not None and type(value := function.hand_out(key, miss.stale)) is not Miss:
            return miss, value
        unlocked(function, error)
        flight = None
    with flight or nullcontext():
        found = function.find(key, again=True) if flight and miss is not FORCED else miss
        return await _compute(function, key, found, args, kwargs) if type(found) is Miss else (miss, found)


async def _take(function: Function, key: Key, wait: float) -> Flight | None:
    """The right to compute, without blocking the loop. Raises Busy."""
    loop = asyncio.get_running_loop()
    end, pause = loop.time() + wait, FIRST_POLL
    while True:
        try:
            return take(function, key, 0.0)
        except Busy:
            if loop.time() >= end:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LAST_POLL)


def _patience(function: Function) -> float:
    """How many seconds another is waited for."""
    wait = function.handle.settings.wait
    patience = WAIT if wait is None else wait
    return min(patience, NESTED_WAIT) if _above.get() else patience


async def _compute(
    function: Function, key: Key, miss: Miss, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    """Computes and stores a result. Returns it as it was computed, and as a hit will: the same, if it was not stored."""
    function.missed(key, miss)
    start = perf_counter()
    value = await run(function, args, kwargs)
    time = perf_counter() - start
    function.check_mutation(key, args, kwargs)
    return value, await asyncio.to_thread(function.keep, key, value, time)
