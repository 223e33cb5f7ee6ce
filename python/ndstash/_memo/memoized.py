"""Memoized functions, methods and coroutines.

What coroutines need, and what many calls at once, is loaded when they are made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, overload

from ndstash._handle import Handle
from ndstash._identity import Identity
from ndstash._memo import flight, travel
from ndstash._memo.asking import Asking
from ndstash._memo.function import Miss
from ndstash._memo.options import Options
from ndstash._memo.ref import Ref

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from ndstash._memo import batch

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


class Memoized(Asking[P, R]):
    """A function whose results are stored: what `Cache.memoize` returns.

    It is called like the function. A result that was computed is handed out as it will be handed out later: read back from
    the store, its arrays mapped.

    >>> import ndstash
    >>> cache = ndstash.Cache("results")
    >>> @cache.memoize
    ... def add(a, b=1):
    ...     return a + b
    >>> add(1)
    2
    >>> add.cached(a=1, b=1)
    True
    >>> add.stats().misses
    1
    """

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        given = (*self._bound, *args) if self._bound else args
        found: Any = self._function.recall(given, kwargs)
        value: R = flight.call(self._function, given, kwargs, found) if type(found) is Miss else found
        return value

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes a result, whether it is stored or not, and stores it anew.

        >>> import ndstash, itertools
        >>> count = itertools.count()
        >>> f = ndstash.Cache("results").memoize(lambda x: (x, next(count)), version="1", name="f")
        >>> f(1), f(1), f.call(1), f(1)
        ((1, 0), (1, 0), (1, 1), (1, 1))
        """
        value: R = flight.call_anew(self._function, (*self._bound, *args), kwargs)
        return value

    def ref(self, /, *args: P.args, **kwargs: P.kwargs) -> Ref[R]:
        """A small reference to a result, which is computed if it is not there. Where it cannot be stored, the reference
        holds it.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double.ref(4).get()
        8
        """
        key = self._function.try_key((*self._bound, *args), kwargs)
        if key is not None and self._function.handle.has(key):
            return self._reference(key)
        value = self(*args, **kwargs)
        if key is not None and self._function.handle.has(key):
            return self._reference(key)
        return self._reference(None, value)

    def map(self, calls: Iterable[Any], /, executor: Executor | None = None) -> list[R]:
        """The results of many calls, in their order. Computes what is missing, each key once; in an executor, if one is
        given, and then whoever computes a result stores it. After that waits, one by one, for what others are computing.

        A tuple holds the positional arguments of a call, a mapping its keyword arguments; anything else is its only
        argument. If a call fails the others are stored, and the first failure is raised. In a terminal or notebook it shows
        how far it is, unless the cache was made with `progress=False`.

        >>> import ndstash
        >>> square = ndstash.Cache("results").memoize(lambda x: x * x, version="1", name="square")
        >>> square.map([1, 2, (3,), {"x": 4}])
        [1, 4, 9, 16]
        """

        from ndstash._memo import batch

        def submit(call: batch.Call, to: Executor) -> Future[tuple[Any, ...]]:
            return to.submit(travel.work, self, call.args, call.kwargs)

        somewhere = None if executor is None else lambda call: submit(call, executor)
        return batch.results(self._function, [batch.call_of(item, self._bound) for item in calls], somewhere)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: "Memoized[Concatenate[Any, Q], R]", instance: object, owner: type | None = None
    ) -> "Memoized[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self._bind(instance)


class AsyncMemoized(Asking[P, R]):
    """A coroutine function whose results are stored: what `Cache.memoize` returns for one.

    Tasks of one loop share one computation. What other processes are computing is waited for without blocking the loop.

    >>> import asyncio, ndstash
    >>> cache = ndstash.Cache("results")
    >>> @cache.memoize
    ... async def double(x):
    ...     return 2 * x
    >>> asyncio.run(double(21))
    42
    >>> double.get(21)
    42
    """

    def __init__(
        self, handle: Handle, function: Callable[..., Any], options: Options, identity: Identity | None = None
    ) -> None:
        super().__init__(handle, function, options, identity)
        _mark(self)

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        from ndstash._memo import aio

        value: R = await aio.call(self._function, (*self._bound, *args), kwargs)
        return value

    async def call(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes a result, whether it is stored or not, and stores it anew."""
        from ndstash._memo import aio

        value: R = await aio.call_anew(self._function, (*self._bound, *args), kwargs)
        return value

    async def ref(self, /, *args: P.args, **kwargs: P.kwargs) -> Ref[R]:
        """A small reference to a result, which is computed if it is not there. Where it cannot be stored, the reference
        holds it."""
        key = self._function.try_key((*self._bound, *args), kwargs)
        if key is not None and self._function.handle.has(key):
            return self._reference(key)
        value = await self(*args, **kwargs)
        if key is not None and self._function.handle.has(key):
            return self._reference(key)
        return self._reference(None, value)

    async def map(self, calls: Iterable[Any], /) -> list[R]:
        """The results of many calls, in their order, all awaited at once. See `Memoized.map` for what a call is."""
        from ndstash._memo import aio, batch

        return await aio.results(self._function, [batch.call_of(item, self._bound) for item in calls])

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: "AsyncMemoized[Concatenate[Any, Q], R]", instance: object, owner: type | None = None
    ) -> "AsyncMemoized[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self._bind(instance)


def _mark(function: Any) -> None:
    """Lets `inspect.iscoroutinefunction` (before 3.12: `asyncio.iscoroutinefunction`) know."""
    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(function)
    else:
        from asyncio import coroutines

        function._is_coroutine = coroutines._is_coroutine  # type: ignore[attr-defined]
