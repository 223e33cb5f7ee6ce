"""Whether the pickles in somebody's files may be loaded: the rule of stores, for other directories.

Loading a pickle runs code. It is loaded if its file, and every directory from there up to the one that is imported, belongs
to the current user or to root, and nobody else may write it.
"""

from __future__ import annotations

import os
import stat
from functools import cache
from typing import BinaryIO, Final

from ndstash.codec import Pickles
from ndstash.errors import Untrusted

WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
OVERFLOW: Final = "/proc/sys/kernel/overflowuid"
NOBODY: Final = 65534


def check(file: BinaryIO, top: str, pickles: Pickles) -> None:
    """Raises Untrusted if the pickle in an open file below `top`, or in it, may not be loaded."""
    if pickles == "never":
        raise Untrusted(f"{file.name} is a pickle, and those are not loaded")
    if pickles == "always":
        return
    reason = _distrust(file.name, os.fstat(file.fileno()))
    directory = os.path.dirname(os.path.abspath(file.name))
    top = os.path.abspath(top)
    while reason is None:
        reason = _distrust(directory, os.stat(directory))
        if len(directory) <= len(top):
            break
        directory = os.path.dirname(directory)
    if reason is not None:
        raise Untrusted(f"{reason}: pickles are not loaded from there without --pickle always")


def _distrust(path: str, status: os.stat_result) -> str | None:
    if status.st_uid not in (0, os.geteuid()) or status.st_uid == _nobody():
        return f"{path} belongs to user {status.st_uid}"
    if status.st_mode & WRITABLE_BY_OTHERS:
        return f"{path} may be written by others than its owner (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


@cache
def _nobody() -> int:
    """The number that stands for every user whom this machine or container does not know."""
    try:
        with open(OVERFLOW) as file:
            return int(file.read())
    except (OSError, ValueError):
        return NOBODY
