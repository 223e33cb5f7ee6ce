"""What the package says: to `logging` (logger "ndstash"), and as warnings.

`logging` is slow to load. Where nobody has loaded it nobody listens, and nothing is said.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Final

from ndstash._core import drain_log
from ndstash.errors import NdstashWarning

if TYPE_CHECKING:
    import logging

DEBUG: Final = 10
INFO: Final = 20
"""The levels of `logging`."""

_logger: logging.Logger | None = None


def is_heard(level: int) -> bool:
    """Whether somebody wants to hear what is said at a level."""
    logger = _logger or _find()
    return logger is not None and logger.isEnabledFor(level)


def tell(level: int, text: str, *parts: object) -> None:
    """Says something, its parts put into it where there are some."""
    logger = _logger or _find()
    if logger is not None:
        logger.log(level, text, *parts)


def pump() -> None:
    """Hands on what the core had to say since it was last asked."""
    for level, text in drain_log():
        tell(level, text)


def _find() -> logging.Logger | None:
    """The logger, if `logging` is loaded; quiet, unless somebody asks for it."""
    global _logger
    module = sys.modules.get("logging")
    if module is None or not hasattr(module, "NullHandler"):
        return None
    logger: logging.Logger = module.getLogger("ndstash")
    logger.addHandler(module.NullHandler())
    _logger = logger
    return logger


def warn(text: str) -> None:
    """Warns whoever called into the package."""
    warnings.warn(text, NdstashWarning, stacklevel=_depth())


def _depth() -> int:
    """How many frames above `warn` the first one outside the package is."""
    depth, frame = 2, sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "ndstash":
        depth, frame = depth + 1, frame.f_back
    return depth
