"""How memoized functions reach other processes: by name where they can be imported, by value where cloudpickle is used."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ndstash._memo.function import Function

if TYPE_CHECKING:
    from ndstash._memo.asking import Asking

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]

_made: WeakValueDictionary[Callable[[], Any], Any] = WeakValueDictionary()
"""The memoized functions of this process, by their recipes."""


class _Ingredients:
    """What a memoized function is made of. Its identity goes along: elsewhere its source may not be found."""

    def __init__(self, cls: type, function: Function) -> None:
        self.cls, self.function = cls, function

    def __reduce__(self) -> Reduced:
        return _Made, (self.cls, *ingredients(self.function))


class _Made:
    """The same, on the other side."""

    def __init__(self, cls: type, *parts: Any) -> None:
        self.cls, self.parts = cls, parts

    def __reduce__(self) -> Reduced:
        return _Made, (self.cls, *self.parts)


def ingredients(function: Function) -> tuple[Any, ...]:
    """What a memoized function is made with."""
    return function.outer, function.function, function.options, function.identity


def recipe(memoized: "Asking[Any, Any]") -> Callable[[], Any] | None:
    """A function that pickle finds by name, as an attribute of the memoized function; and that cloudpickle takes by value,
    where the memoized function cannot be imported. None if it has no name."""
    function = memoized.__wrapped__
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module is None or name is None:
        return None
    made_of: Any = _Ingredients(type(memoized), memoized._function)

    def remake() -> Any:
        return made_of

    remake.__module__, remake.__qualname__ = module, f"{name}._remake"
    _made[remake] = memoized
    return remake


def reduce(memoized: "Asking[Any, Any]") -> Reduced:
    """How a memoized function is pickled."""
    function = memoized._function
    if memoized._remake is None or _is_importable(function.function):
        return type(memoized), ingredients(function)
    return restore, (memoized._remake,)


def restore(remake: Callable[[], Any]) -> Any:
    """The memoized function of a recipe: the one that is there, or a new one."""
    memoized = _made.get(remake)
    if memoized is None:
        made_of = remake()
        memoized = _made[remake] = made_of.cls(*made_of.parts)
    return memoized


def derive(root: Any, changes: dict[str, Any], bound: tuple[Any, ...]) -> Any:
    """A memoized function with other options, bound to an object."""
    varied = root.using(**changes) if changes else root
    return varied.__get__(*bound) if bound else varied


def _is_importable(function: Any) -> bool:
    """Whether the function itself, not the memoized one, goes by its name."""
    found: Any = sys.modules.get(getattr(function, "__module__", ""))
    for name in getattr(function, "__qualname__", "?").split("."):
        found = getattr(found, name, None)
    return found is function


def work(memoized: "Asking[Any, Any]", args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Computes a call of a batch wherever this is, and stores the result. Returns it only if it could not be stored."""
    from ndstash._memo import batch  # Few send work elsewhere.

    return batch.work(memoized._function, args, kwargs)
