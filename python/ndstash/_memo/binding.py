"""Binds the arguments of a call to the parameters of a function, at the cost of one call."""

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

from ndstash._keys import DEFAULT

Ignore = str | int | Iterable[str | int]
"""Names or positions of parameters; "*" and "**" are those that take the rest."""

Binder = Callable[..., dict[str, Any]]
"""Takes what the function takes; returns the parts of the key."""

_PREFIX: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def binder(
    function: Callable[..., Any], ignore: Ignore = (), key: Callable[..., object] | None = None
) -> Binder:
    """What makes the parts of a key of the arguments of a call.

    Positional, keyword and default forms of an argument meet. The binder raises TypeError for arguments that the function
    does not take.
    """
    if key is not None:
        return lambda *args, **kwargs: {"": key(*args, **kwargs)}
    name = getattr(function, "__name__", type(function).__name__)
    return _compiled(_signature(function), ignored_names(function, ignore), name)


def ignored_names(function: Callable[..., Any], ignore: Ignore) -> set[str]:
    """The names of the parameters that do not count. Raises ValueError if there is no such parameter."""
    parameters = _signature(function).parameters
    names = list(parameters)
    stars = {_PREFIX[p.kind]: p.name for p in parameters.values() if p.kind in _PREFIX}
    ignored = set()
    for item in (ignore,) if isinstance(ignore, str | int) else ignore:
        if isinstance(item, int) and -len(names) <= item < len(names):
            ignored.add(names[item])
        elif item in parameters or item in stars:
            ignored.add(stars.get(str(item), str(item)))
        else:
            raise ValueError(f"{function!r} has no parameter {item!r} that could be ignored")
    return ignored


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:
        rest = [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]
        return inspect.Signature([*rest, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])


def _compiled(signature: inspect.Signature, ignored: set[str], name: str) -> Binder:
    """A function with the same parameters that returns them by name."""
    parameters = list(signature.parameters.values())
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    bare = {name: DEFAULT(name) for name, default in defaults.items() if type(default) is object}
    parts = [f"{p.name!r}: {_value(p.name, bare)}" for p in parameters if p.name not in ignored]
    if parameters and parameters[0].name == "self" and "self" in ignored:
        parts.append("'class of self': _type(self)")
    source = f"lambda {', '.join(_declarations(parameters))}: {{{', '.join(parts)}}}"
    made: Binder = eval(source, {"__builtins__": {}, "_default": defaults, "_bare": bare, "_type": type})
    made.__name__ = made.__qualname__ = name
    return made


def _value(name: str, bare: Collection[str]) -> str:
    """The value of a parameter; where that is a default without content, something that stands for it."""
    return f"_bare[{name!r}] if {name} is _default[{name!r}] else {name}" if name in bare else name


def _declarations(parameters: list[inspect.Parameter]) -> list[str]:
    """The parameters as in the source of a lambda."""
    declared: list[str] = []
    kinds = [p.kind for p in parameters]
    for at, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and p.KEYWORD_ONLY not in kinds[:at] and p.VAR_POSITIONAL not in kinds[:at]:
            declared.append("*")
        default = "" if p.default is p.empty else f"=_default[{p.name!r}]"
        declared.append(f"{_PREFIX.get(p.kind, '')}{p.name}{default}")
        if p.kind is p.POSITIONAL_ONLY and (at + 1 == len(kinds) or kinds[at + 1] is not p.POSITIONAL_ONLY):
            declared.append("/")
    return declared
