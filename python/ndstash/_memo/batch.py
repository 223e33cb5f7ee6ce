"""Many calls at once: computes only what is missing, and nobody waits for one while holding another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from ndstash._core import Key
from ndstash._memo import flight
from ndstash._memo.function import NOT_THERE, Function, Miss
from ndstash._progress import progress
from ndstash.errors import Busy

if TYPE_CHECKING:
    from concurrent.futures import Future

MAX_FLIGHTS = 128
"""How many calls are locked together: each keeps a file open."""


@dataclass
class Call:
    """One call of a batch."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    key: Key | None = None
    value: Any = None
    done: bool = False
    tell: Callable[[], object] | None = None
    """Is told that it has its result."""

    def settle(self, value: Any) -> None:
        """Gives it its result."""
        self.value, self.done = value, True
        if self.tell is not None:
            self.tell()


if TYPE_CHECKING:
    Submit = Callable[[Call], Future[tuple[Any, ...]]]
    """Has `work` done elsewhere."""


def call_of(item: Any, bound: tuple[Any, ...] = ()) -> Call:
    """A call: a tuple holds its positional arguments, a mapping its keyword arguments; anything else is the only one."""
    if isinstance(item, Mapping):
        return Call(bound, dict(item))
    return Call((*bound, *item) if isinstance(item, tuple) else (*bound, item), {})


def results(function: Function, calls: list[Call], submit: Submit | None) -> list[Any]:
    """The results of calls, in their order; computed by whoever `submit` gives them to."""
    with shown(function, calls):
        twins = _find(function, calls)
        missing = [call for call in calls if not call.done and (call.key is None or twins[call.key] is call)]
        for start in range(0, len(missing), MAX_FLIGHTS):
            _compute_free(function, missing[start : start + MAX_FLIGHTS], submit)
        for call in calls:
            if not call.done:
                call.settle(flight.call(function, call.args, call.kwargs))
    return [call.value for call in calls]


@contextmanager
def shown(function: Function, calls: list[Call]) -> Iterator[None]:
    """Shows meanwhile how many of the calls have their result."""
    with progress(function.name, "calls", function.handle.settings.progress) as show:
        if show is not None:
            done = count(1)
            for call in calls:
                call.tell = lambda: show(next(done), len(calls))
        yield


def _find(function: Function, calls: Iterable[Call]) -> dict[Key, Call]:
    """Settles what is stored. Returns the first call of each key."""
    twins: dict[Key, Call] = {}
    for call in calls:
        call.key = function.try_key(call.args, call.kwargs)
        if call.key is not None and twins.setdefault(call.key, call) is call:
            value = function.find(call.key)
            if type(value) is not Miss:
                call.settle(value)
    return twins


def _compute_free(function: Function, calls: list[Call], submit: Submit | None) -> None:
    """Computes what nobody else is computing."""
    with ExitStack() as flights:
        free = [call for call in calls if _is_free(function, call, flights)]
        if submit is None:
            for call in free:
                call.settle(_compute(function, call)[1])
        else:
            _collect(function, free, [submit(call) for call in free])


def _is_free(function: Function, call: Call, flights: ExitStack) -> bool:
    """Whether a call is to be computed here. Takes its flight, and looks again."""
    if call.key is None or not function.handle.core.enabled:
        return True
    try:
        taken = flight.take(function, call.key, 0.0)
    except Busy:
        return False
    if taken is not None:
        flights.enter_context(taken)
        value = function.find(call.key, again=True)
        if type(value) is not Miss:
            call.settle(value)
    return not call.done


def _compute(function: Function, call: Call) -> tuple[Any, Any]:
    """What was computed, and what a hit will return: the same, if it was not stored."""
    if call.key is None or not function.handle.core.enabled:
        value = function.run(call.args, call.kwargs)
        return value, value
    return flight.compute(function, call.key, NOT_THERE, call.args, call.kwargs)


def work(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Computes a call wherever this is, and stores the result. Returns it only if it could not be stored."""
    made, kept = _compute(function, Call(args, kwargs, function.try_key(args, kwargs)))
    return (made,) if kept is made else ()


def _collect(function: Function, calls: list[Call], futures: list[Future[tuple[Any, ...]]]) -> None:
    """Settles calls that are computed elsewhere: all that succeed, even if one fails."""
    failure: Exception | None = None
    for call, future in zip(calls, futures, strict=True):
        try:
            held = future.result()
        except Exception as error:
            failure = failure or error
            continue
        value = held[0] if held else function.peek(call.key) if call.key is not None else NOT_THERE
        if type(value) is not Miss:
            call.settle(value)
    if failure is not None:
        raise failure
