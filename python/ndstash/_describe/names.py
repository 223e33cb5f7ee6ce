"""Names of types and globals that are the same in every process."""

from __future__ import annotations

import sys
from collections.abc import Callable

SPAWNED_MAIN = "__mp_main__"


def module_name(name: str) -> str:
    """The name of a module; the main module of a spawned worker is the one of its parent."""
    return "__main__" if name == SPAWNED_MAIN else name


def type_name(kind: type) -> str:
    """Module and qualified name."""
    return f"{module_name(kind.__module__)}.{kind.__qualname__}"


def kind_of(value: object) -> str:
    """The type of a value as messages say it."""
    return type_name(type(value)).removeprefix("builtins.")


def global_name(value: Callable[..., object]) -> str:
    """Module and qualified name of a function or class; TypeError if it has none."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"a {kind_of(value)} has no name")
    return f"{module_name(getattr(value, '__module__', None) or _module_of(value, name))}.{name}"


def _module_of(value: object, name: str) -> str:
    """Of bound methods of built-in types the type's name is part of `name`, so its module is enough."""
    owner = getattr(value, "__self__", None)
    if owner is None:
        return "builtins"
    kind = owner if isinstance(owner, type) else type(owner)
    return kind.__module__


def exported(value: object, name: str, modules: tuple[str, ...]) -> str | None:
    """`module.name` of the first of these modules that has the value under this name."""
    for module in modules:
        if module in sys.modules and getattr(sys.modules[module], name, None) is value:
            return f"{module}.{name}"
    return None
