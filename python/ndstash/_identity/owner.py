"""Whose a module is: the user's own, the standard library's, or an installed package's."""

from __future__ import annotations

import enum
import importlib.util
import os
import sys
from functools import cache, lru_cache
from types import ModuleType

SITES = {"site-packages", "dist-packages"}
MAIN = {"__main__", "__mp_main__"}
OURSELVES = __name__.partition(".")[0]
PYTHON = "python"
_known: dict[str, bool] = {}
"""Of modules that are loaded, whether they are the user's own."""


class Owner(enum.Enum):
    """Only what is the user's own is followed."""

    OWN = "own"
    STDLIB = "standard library"
    INSTALLED = "installed"


def top_of(module: str) -> str:
    """The package at the top of a module's name."""
    return module.partition(".")[0]


def package_of(module: str) -> str:
    """The package whose version tells which module this is: its top, or Python."""
    return PYTHON if owner(module) is Owner.STDLIB else top_of(module)


def is_own(module: str | None) -> bool:
    """Whether the module's code is the user's. Code without a module is."""
    if module is None:
        return True
    known = _known.get(module)
    if known is None:
        known = owner(module) is Owner.OWN
        if module in sys.modules:
            _known[module] = known
    return known


def owner(module: str) -> Owner:
    """Decided by where the module's file lies. Imports nothing; what cannot be found is the user's own."""
    if module in MAIN:
        return Owner.OWN
    if top_of(module) == OURSELVES:
        return Owner.INSTALLED
    return _owner_of_file(_place(module), top_of(module))


def is_there(module: str) -> bool:
    """Whether the top of a module's name can be imported."""
    return top_of(module) in sys.modules or _spec_place(top_of(module)) is not None


def _place(module: str) -> str | None:
    """The file or folder of a module, of the nearest package that has one, or None: built in or made by hand."""
    while module:
        found = _place_of(sys.modules[module]) if module in sys.modules else None
        if found:
            return found
        module = module.rpartition(".")[0] if "." in module else ""
    return None


def _place_of(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    folders = list(getattr(module, "__path__", None) or [None])
    return file if isinstance(file, str) else folders[0]


@lru_cache(maxsize=4096)
def _owner_of_file(place: str | None, top: str) -> Owner:
    place = place or _spec_place(top)
    if place in (None, "built-in", "frozen"):
        return Owner.STDLIB if top in sys.stdlib_module_names else Owner.OWN
    path = os.path.normpath(str(place))
    if SITES.intersection(path.split(os.sep)):
        return Owner.INSTALLED
    return Owner.STDLIB if path.startswith(_library()) else Owner.OWN


@cache
def _library() -> tuple[str, ...]:
    """Where the standard library lies."""
    from sysconfig import get_path

    return tuple(os.path.join(get_path(name), "") for name in ("stdlib", "platstdlib"))


def _spec_place(top: str) -> str | None:
    """Where the import system would find a top-level module, without importing it."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or []), None)
