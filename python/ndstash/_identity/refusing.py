"""The refusal of a function that cannot be told from another."""

from __future__ import annotations

from ndstash.errors import Unidentifiable


def refusal(function: str, where: str, reason: object) -> Unidentifiable:
    """The exception for what was found at a place, as "captured k"."""
    ways = "make it an argument, name it in ignore=, or give the function a version= by hand"
    return Unidentifiable(f"{function} cannot be identified: {where}: {reason}. Ways out: {ways}")
