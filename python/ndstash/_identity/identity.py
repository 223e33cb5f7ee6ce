"""The identity of a function, and whether it still holds."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, final

from ndstash import _core
from ndstash._core import Named
from ndstash._identity.classes import class_
from ndstash._identity.code import home_of, is_followed, is_memoized, taken_apart
from ndstash._identity.functions import function as function_
from ndstash._identity.modules import module as module_
from ndstash._identity.nodes import Changed
from ndstash._identity.owner import MAIN
from ndstash._identity.places import name_of
from ndstash._identity.refusing import refusal
from ndstash._identity.text import Text, packed, unpack
from ndstash._identity.walk import Items, Walk
from ndstash.errors import Unidentifiable

KEPT = 4096
LAMBDA = "<lambda>"
LOCAL = ("<locals>", LAMBDA)
_of_values: dict[int, Identity] = {}
"""Identities of functions and classes that were arguments, by their id. They are kept, so that it stays their own."""


class Options(NamedTuple):
    """How a function is to be identified."""

    version: str | None
    name: str | None
    packages: bool
    ignore: tuple[str, ...]


@final
class Identity:
    """What a function is, in its name and version. Made by `identify`."""

    __slots__ = ("_function", "_options", "_walk", "holds", "name", "pinned", "version")

    def __init__(self, function: object, options: Options, importing: bool) -> None:
        """For `identify` only."""
        self._function = function
        self._options = options
        self._walk: Walk | None = None
        self.holds: Callable[[], bool] = _always
        """Whether all is as it was: what `check` asks."""
        self.name: str = options.name or name_of(function)
        """Module and qualified name, or the name that was given."""
        self.pinned: bool = options.version is not None
        """Whether the version was given by hand."""
        self.version: str = options.version or ""
        """The digest of all that counts, or the version that was given."""
        if not self.pinned:
            self._follow(Walk(function, options.ignore, importing))

    def _follow(self, walk: Walk) -> None:
        self._walk = walk
        try:
            self.version = walk.run(_content)
        except Changed:
            raise refusal(self.name, "what it uses", "it changes while it is looked at") from None
        self.holds = _never if walk.pending else walk.guard.holds
        if self._options.packages:
            self.version = _core.digest(repr((self.version, self.packages)).encode())

    @property
    def parts(self) -> Mapping[str, str]:
        """What the version was made of, in short texts: the items of the function, then of what it uses."""
        return self._walk.parts() if self._walk else {"version": self.version}

    @property
    def packages(self) -> dict[str, str]:
        """The installed versions of the packages that the function uses; "python" for the standard library.

        They count only if that was asked for.
        """
        from ndstash._identity.versions import version_of  # Slow to load, and seldom asked for.

        return {top: version_of(top) for top in sorted(self._walk.packages)} if self._walk else {}

    def check(self) -> Identity:
        """This identity if all is as it was, else a new one. For each call: it costs some comparisons, and the hashing of
        values that can change in place.

        The first check also settles what could not be seen at decoration: names that are defined further down, modules
        that the body imports. Raises Unidentifiable.
        """
        return self if self.holds() else Identity(self._function, self._options, importing=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels with the function, and what is known of its source, which may not be where it goes."""
        nodes = self._walk.nodes.objects if self._walk else []
        codes = [node.__code__ for node in nodes if isinstance(node, types.FunctionType) and _goes_by_value(node)]
        return _arrived, (self._function, self._options, packed(codes))

    def __repr__(self) -> str:
        return f"<identity of {self.name}, version {self.version[:16]}>"


def identify(
    function: object,
    *,
    version: str | None = None,
    name: str | None = None,
    packages: bool = False,
    ignore: Collection[str] = (),
) -> Identity:
    """The identity of a function, a class, a partial, a bound method, a callable object.

    `version` gives the version by hand: then nothing is looked at. `name` stands for module and qualified name.
    `packages`: the installed versions of the packages that it uses count. `ignore`: names of parameters, captured variables
    and globals of the function that do not.

    Raises Unidentifiable if it depends on something that has no identity.
    """
    function = _unwrapped(function)
    if version is not None and name is None and LAMBDA in name_of(function):
        raise Unidentifiable(f"{name_of(function)} with a version= by hand needs a name=: all lambdas are called so")
    return Identity(function, Options(version, name, packages, tuple(sorted(ignore))), importing=False)


def describe_code(value: object) -> object:
    """What stands for a function, class or module that is an argument or part of one."""
    if not is_followed(value):
        return taken_apart(value)
    identity = _identity_of(value)
    return Named("code", (identity.name, identity.version))


def _content(walk: Walk, value: Any) -> Items:
    if not is_followed(value):
        return [("function", walk.value(value, "the function itself"))]
    if isinstance(value, types.FunctionType):
        return function_(walk, value)
    return class_(walk, value) if isinstance(value, type) else module_(walk, value)


def _unwrapped(function: Any) -> object:
    """What is inside decorators of this library and of methods."""
    while is_memoized(function) or isinstance(function, staticmethod | classmethod):
        function = function.__wrapped__
    return function


def _identity_of(value: object) -> Identity:
    """Kept for what lives as long as its module; made anew for what a function makes."""
    known = _of_values.get(id(value))
    identity = known.check() if known else identify(value).check()
    if identity is not known and not any(local in identity.name for local in LOCAL):
        if len(_of_values) >= KEPT:
            _of_values.clear()
        _of_values[id(value)] = identity
    return identity


def _goes_by_value(function: types.FunctionType) -> bool:
    """Whether another process cannot import it: its code is sent, and the source may not be there."""
    return home_of(function) in MAIN or any(local in function.__qualname__ for local in LOCAL)


def _arrived(function: object, options: Options, texts: Mapping[str, Text]) -> Identity:
    unpack(texts)
    return Identity(function, options, importing=False)


def _always() -> bool:
    return True


def _never() -> bool:
    return False
