"""Values in which code stands for itself: how they are hashed while functions are followed, and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ndstash import _core
from ndstash._core import Named
from ndstash._describe import describe
from ndstash._identity.code import is_code, is_followed, taken_apart
from ndstash._identity.owner import is_own

WRAPPING = {"__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"}
"""What `functools.update_wrapper` copies onto a callable object: names and words, not behaviour."""
Token = Callable[[object], str]
"""What stands for a function, class or module that is followed."""


class Changed(Exception):
    """A value holds code that was not met when the identity was made."""


class Held(NamedTuple):
    """A value with code inside, to be hashed when the code's digest is known."""

    value: object


class Nodes:
    """The functions, classes and modules that were met, by number. They are kept, so that their ids stay their own."""

    def __init__(self) -> None:
        self.objects: list[object] = []
        self._numbers: dict[int, int] = {}
        self.closed = False

    def number(self, value: object) -> int:
        """The number of a node, a new one if need be. Raises Changed once no more may come."""
        known = self._numbers.get(id(value))
        if known is not None:
            return known
        if self.closed:
            raise Changed
        self.objects.append(value)
        return self._numbers.setdefault(id(value), len(self.objects) - 1)

    def compared(self, value: object) -> str:
        """A digest to compare a value by within this process: code counts by its number, and new code is another."""
        try:
            return digest_of(value, lambda code: str(self.number(code)))
        except Changed:
            return ""


def digest_of(value: object, token: Token) -> str:
    """The digest of a value in which a token stands for each function, class and module that is followed."""
    return _core.digest(_core.canonical(value, lambda one: described(one, token)))


def described(value: object, token: Token) -> object:
    """What stands for a value in an identity. Instances of the user's own classes count with their class."""
    if isinstance(value, Held):
        return value.value
    if type(value) is object:
        return Named("object", None)
    if is_code(value):
        return Named("code", token(value)) if is_followed(value) else taken_apart(value)
    found, kind = describe(value), type(value)
    if not isinstance(found, Named) or hasattr(kind, "__ndstash_key__") or not is_own(kind.__module__):
        return found
    return Named(found.name, (kind, _without_words(found.value)))


def _without_words(state: object) -> object:
    if isinstance(state, dict) and "__wrapped__" in state:
        return {name: one for name, one in state.items() if name not in WRAPPING}
    return state
