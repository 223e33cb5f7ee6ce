"""What a class is made of: its bases, its methods, its attributes; of data classes and enums what they were made from."""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ndstash._core import Named
from ndstash._describe import type_name
from ndstash._identity.code import home_of, is_code, is_followed
from ndstash._identity.modules import content_of_extension

if TYPE_CHECKING:
    from ndstash._identity.walk import Walk

Item = tuple[str, object]
PARAMETERS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
GENERATED = "<string>"
"""The file of code that `dataclasses` and `namedtuple` write themselves."""
GENERATED_WORDS = "init repr eq lt le gt ge hash setattr delattr replace getstate setstate"
GENERATED_NAMES = {f"__{name}__" for name in GENERATED_WORDS.split()}
INTERNAL = {"_abc_impl", "__annotate__", "__annotate_func__", "__annotations_cache__", "__annotations__"}
COUNTED = {"__slots__"}
"""Of names with two underscores on both sides, those that count though they are no code."""


def class_(walk: Walk, value: type) -> Iterator[Item]:
    """The items of a class. Of one in C the methods are names: what they do is in the file."""
    walk.guard.whole(value.__dict__)
    yield "name", type_name(value)
    extension = content_of_extension(value.__module__)
    if extension:
        yield "file", Named("file", extension)
    yield "bases", walk.value(value.__bases__, "its bases")
    if type(value) is not type:
        yield "metaclass", walk.value(type(value), "its metaclass")
    yield from _made_from(walk, value)
    for name, attribute in sorted(value.__dict__.items()):
        if _counts(value, name, attribute):
            yield f"attribute {name}", walk.value(attribute, f"the attribute {name!r}")


def _made_from(walk: Walk, value: type) -> Iterator[Item]:
    if "__dataclass_fields__" in value.__dict__:
        yield from _fields(walk, value)
    elif issubclass(value, enum.Enum):
        for name, member in value.__members__.items():
            yield f"member {name}", walk.value(member.value, f"the member {name!r}")
    else:
        for name, annotation in sorted(inspect.get_annotations(value).items()):
            yield f"annotation {name}", _annotation(annotation)


def _fields(walk: Walk, value: Any) -> Iterator[Item]:
    """A data class by its fields: the methods that it is given follow from them. Annotations do not count."""
    from dataclasses import MISSING  # It was loaded by whoever made a data class.

    yield "parameters", Named("parameters", [getattr(value.__dataclass_params__, name) for name in PARAMETERS])
    yield "fields", list(value.__dataclass_fields__)
    for field in value.__dataclass_fields__.values():
        switches = [field.init, field.repr, field.hash, field.compare, field.kw_only, field._field_type.name]
        yield f"field {field.name}", Named("field", switches)
        for part in ("default", "default_factory", "metadata"):
            content = getattr(field, part)
            if content is not MISSING and (part != "metadata" or content):
                yield f"field {field.name} {part}", walk.value(content, f"the {part} of field {field.name!r}")


def _annotation(annotation: object) -> str:
    """As text: it may hold anything, and addresses must not count."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return type_name(annotation)
    text = annotation if isinstance(annotation, str) else repr(annotation)
    return type_name(type(annotation)) if " at 0x" in text else text


def _counts(owner: type, name: str, value: object) -> bool:
    if name in INTERNAL or isinstance(value, types.GetSetDescriptorType | types.MemberDescriptorType):
        return False
    if _is_generated(owner, name, value):
        return False
    if issubclass(owner, enum.Enum):
        if name in owner.__members__:
            return False
        if name.startswith("_") and name.endswith("_"):
            return is_code(value) and _is_own(value)
    special = name.startswith("__") and name.endswith("__")
    return not special or name in COUNTED or is_code(value)


def _is_generated(owner: type, name: str, value: Any) -> bool:
    """Whether it is code that was written for a data class or a named tuple, or a getter of the latter."""
    if issubclass(owner, tuple) and type(value).__module__ == "_collections":
        return True
    function = getattr(value, "__func__", value)
    if not isinstance(function, types.FunctionType):
        return False
    function = inspect.unwrap(function)
    home = home_of(function)
    if issubclass(owner, tuple) and hasattr(owner, "_fields"):
        return home in ("collections", f"namedtuple_{owner.__name__}")
    written = home == "dataclasses" or function.__code__.co_filename.startswith(GENERATED)
    return hasattr(owner, "__dataclass_fields__") and name in GENERATED_NAMES and written


def _is_own(value: Any) -> bool:
    inside = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
    return is_followed(inside)
