"""What stands for a value in a key: `describe` and `describe_call`, `File`, rounding."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from ndstash._core import Content, Named, Rounding, digest_file
from ndstash._describe import describe as _describe
from ndstash._identity import describe_code, is_code, is_own

T = TypeVar("T")
DECIMALS_MAX, SIGNIFICANT_MAX = 300, 17

__all__ = ["DEFAULT", "File", "decimals", "describe", "describe_call", "rounding", "significant"]


class File(os.PathLike[str]):
    """A path that stands for the content of its file.

    As an argument of a memoized function it makes the digest of the content part of the key, not the path; the function
    gets the `File` itself, which `open` and all that takes paths accepts. The content is read at each call: nothing about
    it is remembered. A file that is not there raises OSError.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> _ = path.write_text("1 2 3")
    >>> with open(File(path)) as file:
    ...     file.read()
    '1 2 3'
    """

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)


def describe(value: object) -> object:
    """What stands for a value that has no canonical encoding: a plain structure or a named one, one level deep.

    Functions, classes and modules of the user's own count by what they do, others by name; all else as `ndstash._describe`
    says. Raises TypeError for what cannot be a key, with the way out.
    """
    if type(value) is File:
        return Content(digest_file(value.path), value.path)
    return describe_code(value) if is_code(value) else _describe(value)


def describe_call(value: object) -> object:
    """As `describe`, for arguments of memoized functions: instances of the user's own classes count with their class, so
    that a method that was changed is a miss."""
    found, kind = describe(value), type(value)
    if is_code(value) or not isinstance(found, Named) or hasattr(kind, "__ndstash_key__") or not is_own(kind.__module__):
        return found
    return Named(found.name, (kind, found.value))


def DEFAULT(parameter: str) -> Named:
    """Stands for a default that is a bare `object()`, where the call leaves it as it is."""
    return Named("ndstash.default", parameter)


def decimals(digits: int, *, deep: bool = True) -> Rounding:
    """Floats in a key rounded to so many digits after the point; negative: before it. The function gets them unrounded.

    `deep`: also inside containers and arrays; else only an argument that is itself a float.
    """
    return Rounding.decimals(_within("digits", digits, -DECIMALS_MAX, DECIMALS_MAX), deep=deep)


def significant(digits: int, *, deep: bool = True) -> Rounding:
    """Floats in a key rounded to so many significant digits, 1 to 17. `deep` as for `decimals`."""
    return Rounding.significant(_within("digits", digits, 1, SIGNIFICANT_MAX), deep=deep)


def rounding(option: Any, *, deep: bool = True) -> Mapping[str, Rounding] | Rounding | None:
    """What the option `round=` means: None, digits after the point, a `Rounding`, or one of these for each parameter.

    `deep` is for plain numbers of digits. Raises TypeError or ValueError.
    """
    if isinstance(option, Mapping):
        rules = {str(name): _rule(one, deep) for name, one in option.items()}
        return {name: one for name, one in rules.items() if one is not None}
    return _rule(option, deep)


def _rule(option: Any, deep: bool) -> Rounding | None:
    if option is None or isinstance(option, Rounding):
        return option
    return decimals(option, deep=deep)


def _within(what: str, number: Any, least: int, most: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{what} must be a whole number, not {number!r}")
    if not least <= number <= most:
        raise ValueError(f"{what} must be from {least} to {most}, not {number}")
    return number
