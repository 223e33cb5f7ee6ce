"""What was put is on disk, and counters are written down, when a process ends; also when multiprocessing ends it, without
`atexit`."""

import atexit
import os
import sys
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet


class Counting(Protocol):
    """Something that has counters in memory, and syncs to make up for."""

    def flush(self) -> None:
        """Makes up for them, and writes down the counters."""


counting: WeakSet[Counting] = WeakSet()
"""All that is open."""


def flush() -> None:
    """Finishes what is open. What does not work at the end of a process is let go."""
    for each in list(counting):
        with suppress(Exception):
            each.flush()


def _at_end_of_worker(_: object = None) -> None:
    """Tells multiprocessing, where it is loaded: a process of its own making has loaded it before anything else."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, flush, exitpriority=0)


def _in_child() -> None:
    """A forked process forgets what its parent wanted to be done at its end, and then does what is registered for it."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(flush, _at_end_of_worker)


atexit.register(flush)
_at_end_of_worker()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
