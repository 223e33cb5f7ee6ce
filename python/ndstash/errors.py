"""Errors and warnings: one base, and a class for each way in which something does not work."""

from ndstash._core import Busy, Damaged, Error, Invalid, IOFailed, TooLarge, Unsupported

__all__ = [
    "Busy",
    "Damaged",
    "Error",
    "IOFailed",
    "Invalid",
    "NdstashWarning",
    "TooLarge",
    "Unidentifiable",
    "Unsupported",
    "Untrusted",
]


class Untrusted(Error, PermissionError):
    """A pickle that is not loaded, because somebody else owns or may write the files it is in. The text says who and which,
    and the way out: `pickle="always"` for a store whose writers are all trusted."""


class Unidentifiable(TypeError):
    """A function, or something that it uses, for which nothing can stand in a key. The text names it, and the way out."""


class NdstashWarning(UserWarning):
    """Something that a call got along without: a value that was not stored, a key that could not be made."""
