"""What the package says: to `logging` (logger "ndstash"), and as warnings."""

import logging
import sys
import warnings

from ndstash._core import drain_log
from ndstash.errors import NdstashWarning

logger = logging.getLogger("ndstash")
logger.addHandler(logging.NullHandler())


def pump() -> None:
    """Hands on what the core had to say since it was last asked."""
    for level, text in drain_log():
        logger.log(level, text)


def warn(text: str) -> None:
    """Warns whoever called into the package."""
    warnings.warn(text, NdstashWarning, stacklevel=_depth())


def _depth() -> int:
    """How many frames above `warn` the first one outside the package is."""
    depth, frame = 2, sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "ndstash":
        depth, frame = depth + 1, frame.f_back
    return depth
