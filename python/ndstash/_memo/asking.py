"""What can be asked of a memoized function, apart from calling it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, Unpack, cast

from ndstash._core import Key
from ndstash._handle import Handle
from ndstash._identity import Identity
from ndstash._info import EntryInfo, is_over
from ndstash._memo import travel
from ndstash._memo.function import Function, Miss
from ndstash._memo.options import MemoizeOptions, Options
from ndstash._memo.ref import Ref
from ndstash._query import Conditions, Entries
from ndstash._switch import Switch

if TYPE_CHECKING:
    from ndstash._memo.explain import Explanation
    from ndstash._stats import Stats

P = ParamSpec("P")
R = TypeVar("R")


class Asking(Generic[P, R]):
    """A function whose results are stored."""

    __wrapped__: Callable[..., Any]
    """The function itself."""

    def __init__(
        self, handle: Handle, function: Callable[..., Any], options: Options, identity: Identity | None = None
    ) -> None:
        functools.update_wrapper(cast("Any", self), function, updated=())
        if isinstance(function, FunctionType):
            self.__dict__.update({name: vars(function)[name] for name in vars(function).keys() - set(dir(self))})
        self._function = Function(handle, function, options, identity)
        self._bound: tuple[Any, ...] = ()
        self._root: Self | None = None
        self._changes: dict[str, Any] = {}
        self._remake = travel.recipe(self)

    # --- one result ----------------------------------------------------------------------------------------------

    def key(self, /, *args: P.args, **kwargs: P.kwargs) -> Key:
        """The key of a call. Raises TypeError if the function takes no such arguments, or one of them has no key.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double.key(1) == double.key(x=1), double.key(1) == double.key(1.0)
        (True, False)
        """
        return self._function.key((*self._bound, *args), kwargs)

    def cached(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Whether a result is there whose time is not over. Runs nothing, and counts nothing.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double.cached(1), double(1), double.cached(1)
        (False, 2, True)
        """
        return self._function.handle.has(self.key(*args, **kwargs))

    def get(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The stored result of a call. Runs nothing; raises KeyError if there is none that can be used.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double(1), double.get(1)
        (2, 2)
        """
        key = self.key(*args, **kwargs)
        value: R | Miss = self._function.find(key)
        if isinstance(value, Miss):
            self._function.handle.core.note_miss()
            raise KeyError(key)
        return value

    def put(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Stores a value as the result of a call, without running anything. Raises what keeps it from being stored.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double.put(5, 1)
        >>> double(1)
        5
        """
        self._function.put(self.key(*args, **kwargs), value)

    def forget(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Removes the stored result of a call; whether there was one.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double(1), double.forget(1), double.forget(1)
        (2, True, False)
        """
        return self._function.handle.core.forget(self.key(*args, **kwargs))

    def explain(self, /, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Says whether the result of a call is there, and which stored calls come nearest. Reads every entry.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def area(width, height):
        ...     return width * height
        >>> area(2, 3)
        6
        >>> area.explain(2, 4).nearest[0].differences[0]["part"]
        'height'
        """
        from ndstash._memo.explain import Explanation, Neighbour

        key, handle = self.key(*args, **kwargs), self._function.outer
        info = handle.core.info(key)
        reason = "not stored" if info is None else "stored, but its time is over" if is_over(info) else "stored"
        nearest = [Neighbour(EntryInfo(handle, each["info"]), each["differences"]) for each in handle.core.explain(key)]
        return Explanation(key, f"{self.name}: {reason}", nearest)

    # --- all results ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the function is called in the cache."""
        return self._function.name

    @property
    def version(self) -> str:
        """What stands for the code of the function, and for all that it uses, as it is now."""
        return self._function.identity.check().version

    def entries(self) -> Entries:
        """The results of this function, those of earlier versions, too.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double(1), double(2)
        (2, 4)
        >>> sorted(entry.arguments["x"] for entry in double.entries())
        [1, 2]
        """
        return Entries(self._function.outer, Conditions(function=self.name))

    def clear(self) -> int:
        """Removes the results of this function, those of earlier versions, too; how many. What their arrays take on disk is
        freed by `Cache.gc`.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double(1), double.clear(), double.cached(1)
        (2, 1, False)
        """
        return self.entries().forget()

    def stats(self) -> Stats:
        """How often results were there and what that saved, in all processes.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double(1), double(1)
        (2, 2)
        >>> hits, misses = double.stats()
        >>> hits, misses
        (1, 1)
        """
        from ndstash._stats import Stats

        return Stats.of(self._function.handle.core)

    # --- others like it ------------------------------------------------------------------------------------------

    def off(self) -> Switch:
        """Lets the function run as if it were not memoized; in a `with` statement, until its end.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> with double.off():
        ...     double(1), double.cached(1)
        (2, False)
        """
        self._function.off = True
        return Switch(self.on)

    def on(self) -> None:
        """Undoes `off`.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> _ = double.off()
        >>> double.on()
        >>> double(1), double.cached(1)
        (2, True)
        """
        self._function.off = False

    def using(self, **options: Unpack[MemoizeOptions]) -> Self:
        """The same function with other options; for a single call, say.

        >>> import ndstash
        >>> @ndstash.Cache("results").memoize
        ... def double(x):
        ...     return 2 * x
        >>> double.using(tag="first")(1)
        2
        >>> [entry.tags for entry in double.entries()]
        [('first',)]
        """
        function = self._function
        changed = function.options._replace(**Options.checked(options))
        same = options.keys().isdisjoint(("name", "version", "ignore"))
        made = self._copy()
        made._function = Function(function.outer, function.function, changed, function.identity if same else None)
        made._changes = {**self._changes, **options}
        return made

    def _copy(self) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._root = self._root or self
        return made

    def _bind(self, instance: object) -> Self:
        """The method of an object."""
        made = self._copy()
        made._bound = (instance,)
        made.__wrapped__ = MethodType(self.__wrapped__, instance)
        return made

    def _reference(self, key: Key | None, *held: R) -> Ref[R]:
        return Ref(self._function.settings(), self._function.handle.namespace, key, *held)

    def __ndstash_identity__(self) -> Identity:
        return self._function.identity

    def __reduce__(self) -> travel.Reduced:
        if self._root is None:
            return travel.reduce(self)
        return travel.derive, (self._root, self._changes, self._bound)

    def __repr__(self) -> str:
        return f"<memoized {self.name} in {self._function.handle.settings.directory!r}>"
