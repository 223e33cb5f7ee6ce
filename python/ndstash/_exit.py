"""Counters are written down when a process ends; also when multiprocessing ends it, without `atexit`."""

from contextlib import suppress
from multiprocessing import util
from typing import Protocol
from weakref import WeakSet


class Counting(Protocol):
    """Something that has counters in memory."""

    def flush(self) -> None:
        """Writes them down."""


counting: WeakSet[Counting] = WeakSet()
"""All that is open."""


def flush() -> None:
    """Writes down what was counted. What does not work at the end of a process is let go."""
    for each in list(counting):
        with suppress(Exception):
            each.flush()


def _at_exit(_: object = None) -> None:
    util.Finalize(None, flush, exitpriority=0)


_at_exit()
# A forked child forgets what its parent wanted to be done at its end.
util.register_after_fork(flush, _at_exit)
