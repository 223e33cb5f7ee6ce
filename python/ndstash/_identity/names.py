"""What a name and the attributes behind it stand for, through modules."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ndstash._core import Named
from ndstash._describe import type_name
from ndstash._identity.cells import EMPTY
from ndstash._identity.code import is_followed, is_opaque
from ndstash._identity.owner import is_own, is_there, top_of
from ndstash._identity.places import inside
from ndstash._identity.uses import Use

if TYPE_CHECKING:
    from ndstash._identity.walk import Walk

Item = tuple[str, object]
ABSENT = Named("absent", None)


def followed(walk: Walk, start: object, use: Use) -> Iterator[Item]:
    """What a use comes to, after the modules on its path. Of modules of others only names count, unless they were patched."""
    if not isinstance(start, ModuleType):
        yield from _ended(walk, start, f"{use.origin} {use.name}", use.path)
        return
    found: object = start
    for at, name in enumerate(use.path):
        if not isinstance(found, ModuleType):
            break
        if not is_own(found.__name__):
            yield _foreign(walk, found, use, use.path[at:])
            return
        found = _attribute(walk, found, name)
    else:
        at = len(use.path)
    yield from _ended(walk, found, ".".join((f"{use.origin} {use.name}", *use.path[:at])), use.path[at:])


def _ended(walk: Walk, found: object, label: str, path: tuple[str, ...]) -> Iterator[Item]:
    """What is no module to go on in; of a function also an attribute that is asked of it."""
    yield label, ABSENT if found is EMPTY else walk.value(found, label)
    if isinstance(found, FunctionType) and path:
        namespace, name = vars(found), path[0]
        if name in namespace:
            yield f"{label}.{name}", walk.value(entry(walk, namespace, name), f"{label}.{name}")
        else:
            walk.guard.missing(namespace, name)


def _foreign(walk: Walk, home: ModuleType, use: Use, path: tuple[str, ...]) -> Item:
    """What a module of others has under a path: its name, whether it is loaded already or not."""
    walk.foreign(home.__name__)
    root = use.name if use.origin == "import" and path == use.path else home.__name__
    label = ".".join((f"{use.origin} {use.name}", *use.path))
    place = ".".join((root, *path))
    found: object = home
    for name in path:
        if not isinstance(found, ModuleType):
            break
        home, last, found = found, name, _attribute(walk, found, name)
    if _is_ours(found):
        return label, walk.value(found, label)
    alias = _alias(found, home, last) if use.origin != "import" else None
    return label, Named("foreign", (place, alias) if alias else place)


def entry(walk: Walk, namespace: Mapping[str, Any], name: str) -> object:
    """A name that a namespace has, watched from now on."""
    value = namespace[name]
    walk.guard.entry(namespace, name, value)
    return value


def imported(walk: Walk, name: str, namespace: Mapping[str, Any]) -> object:
    """The module that an import in a function's body names. Those of others are not loaded for it."""
    package = namespace.get("__package__") or ""
    try:
        module = importlib.util.resolve_name(name, package)
    except ImportError:
        return EMPTY
    if module in sys.modules:
        return entry(walk, sys.modules, module)
    walk.guard.missing(sys.modules, module)
    return _loaded(walk, module) if is_own(module) else ModuleType(module)


def _attribute(walk: Walk, module: ModuleType, name: str) -> object:
    """An attribute of a module, or a module inside it that is not loaded, or what makes attributes up."""
    if name in vars(module):
        return entry(walk, vars(module), name)
    walk.guard.missing(vars(module), name)
    if not is_own(module.__name__):
        return EMPTY
    inside = _loaded(walk, f"{module.__name__}.{name}") if hasattr(module, "__path__") else EMPTY
    if inside is EMPTY and "__getattr__" in vars(module):
        return entry(walk, vars(module), "__getattr__")
    return inside


def _loaded(walk: Walk, module: str) -> object:
    """A module of the user's own that may not be loaded yet."""
    if not walk.importing:
        walk.pending = walk.pending or is_there(module)
        return EMPTY
    try:
        return importlib.import_module(module)
    except Exception:  # whatever keeps it from being imported, the call itself will meet
        return EMPTY


def _is_ours(value: object) -> bool:
    """Whether a value in a module of others is the user's own: somebody patched it."""
    value = inside(value)
    value = inspect.unwrap(value) if is_opaque(value) and callable(value) else value
    return (is_followed(value) and not isinstance(value, ModuleType)) or _is_own_instance(value)


def _is_own_instance(value: object) -> bool:
    return value is not EMPTY and is_own(type(value).__module__)


def _alias(value: object, home: ModuleType, name: str) -> str | None:
    """What is strange about a function under this name: its own name, or a kind from another package, as of mocks."""
    own = getattr(value, "__name__", name) if callable(value) else name
    if own != name:
        return str(own)
    kind = type(value)
    usual = not callable(value) or isinstance(value, type) or hasattr(value, "__name__")
    return None if usual or top_of(kind.__module__) == top_of(home.__name__) else type_name(kind)
