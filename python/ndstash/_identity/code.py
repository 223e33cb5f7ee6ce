"""Values that are code: which are followed, and what the others are made of."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ndstash._core import Named
from ndstash._describe import type_name
from ndstash._describe.names import exported, global_name
from ndstash._identity.cells import contents
from ndstash._identity.modules import content_of_extension
from ndstash._identity.owner import OURSELVES, Owner, is_own, owner, top_of
from ndstash._identity.text import text_of

UFUNC_HOMES = ("numpy", "scipy.special")
DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
CODE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    types.ModuleType,
    type,
    staticmethod,
    classmethod,
    property,
    functools.partial,
    functools.cached_property,
    np.ufunc,
    *DESCRIPTORS,
)
CYTHON = {"cython_function_or_method", "fused_cython_function"}


def is_code(value: object) -> bool:
    """Whether a value is a function, class or module, or a wrapper of one that this module knows."""
    kind = type(value)
    return issubclass(kind, CODE) or kind.__name__ in CYTHON or is_memoized(value) or is_opaque(value)


def is_followed(value: object) -> bool:
    """Whether it is a function, class or module of the user's own: a node of its own."""
    if isinstance(value, types.FunctionType):
        return is_own(value.__globals__.get("__name__"))
    if isinstance(value, type):
        return is_own(value.__module__)
    return isinstance(value, types.ModuleType) and is_own(value.__name__)


def is_memoized(value: object) -> bool:
    """Whether it is a function of this library's own making."""
    return hasattr(type(value), "__ndstash_identity__")


def is_opaque(value: object) -> bool:
    """Whether it is a callable object of others that wraps a function, like that of `functools.lru_cache`."""
    if isinstance(value, types.FunctionType) or not callable(value):
        return False
    return "__wrapped__" in getattr(value, "__dict__", ()) and not is_own(type(value).__module__)


def home_of(value: object) -> str:
    """The module that a value's code is in."""
    if isinstance(value, types.FunctionType):
        return str(value.__globals__.get("__name__"))
    if isinstance(value, types.ModuleType):
        return value.__name__
    home = None if is_opaque(value) else getattr(value, "__module__", None)
    return home if isinstance(home, str) else type(value).__module__


def taken_apart(value: Any) -> Named:
    """What code that is not followed is made of: names, and what is inside, which may be followed."""
    if is_memoized(value):
        return _memoized(value)
    if is_opaque(value):
        return Named(type_name(type(value)), (value.__wrapped__, _outside(value)))
    return next(rule(value) for kind, rule in _RULES if issubclass(type(value), kind))


def _memoized(value: Any) -> Named:
    identity = value.__ndstash_identity__()
    return Named("pinned", (identity.name, identity.version)) if identity.pinned else Named("memoized", value.__wrapped__)


def _function(value: types.FunctionType) -> Named:
    """A function of others: by name, and what it wraps or has captured."""
    name = f"{home_of(value)}.{value.__code__.co_qualname}"
    if hasattr(value, "registry") and hasattr(value, "dispatch"):
        return Named("function", (name, dict(value.registry)))
    if "__wrapped__" in value.__dict__:
        return Named("function", (name, value.__dict__["__wrapped__"], _outside(value)))
    captured = {name: contents(cell) for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)}
    return Named("function", (name, captured) if captured else name)


def _outside(wrapper: Any) -> object:
    """Of what an installed package wraps: decorators and annotations, which may have set the wrapper up."""
    inside = inspect.unwrap(wrapper)
    if not isinstance(inside, types.FunctionType) or owner(home_of(wrapper)) is not Owner.INSTALLED:
        return None
    text = text_of(inside.__code__, inside.__globals__)
    decorators = [one.digest for one in text.decorators if not _is_ours(inside.__globals__.get(one.root or ""))]
    return (text.outside, decorators)


def _is_ours(value: object) -> bool:
    return OURSELVES in (top_of(home_of(value)), top_of(type(value).__module__))


def _builtin(value: Any) -> Named:
    """A function in C, or a method of one object."""
    this = value.__self__
    if this is None or isinstance(this, types.ModuleType | type):
        return Named("function", (global_name(value), _extension(value)))
    home = exported(value, value.__name__, (type(this).__module__,))
    return Named("function", (home, None)) if home else Named("method", (type_name(type(this)), value.__name__, this))


def _extension(value: Any) -> str | None:
    """The content of the user's own extension module: there is no source to follow."""
    home = home_of(value)
    return content_of_extension(home) if owner(home) is Owner.OWN else None


def _ufunc(value: np.ufunc) -> Named:
    home = exported(value, value.__name__, UFUNC_HOMES)
    if home is None:
        raise TypeError(f"{value!r} was made of a function that it does not show")
    return Named("function", (home, None))


def _descriptor(value: Any) -> Named:
    return Named("function", (f"{type_name(value.__objclass__)}.{value.__name__}", None))


def _named(value: Any) -> Named:
    return Named("function", (global_name(value), _extension(value)))


_RULES: tuple[tuple[Any, Callable[[Any], Named]], ...] = (
    (types.FunctionType, _function),
    (type, lambda value: Named("class", type_name(value))),
    (types.ModuleType, lambda value: Named("module", value.__name__)),
    (types.MethodType, lambda value: Named("method", (value.__func__, value.__self__))),
    (functools.partial, lambda value: Named("functools.partial", (value.func, value.args, value.keywords))),
    (staticmethod, lambda value: Named("staticmethod", value.__func__)),
    (classmethod, lambda value: Named("classmethod", value.__func__)),
    (property, lambda value: Named("property", (value.fget, value.fset, value.fdel))),
    (functools.cached_property, lambda value: Named("functools.cached_property", value.func)),
    (np.ufunc, _ufunc),
    (types.BuiltinFunctionType, _builtin),
    (types.MethodWrapperType, lambda value: Named("method", (value.__name__, value.__self__))),
    (DESCRIPTORS, _descriptor),
    (object, _named),
)
