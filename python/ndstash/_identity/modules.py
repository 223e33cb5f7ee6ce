"""What a module is made of, if it is used as a whole: everything that it defines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from ndstash import _core
from ndstash._core import Named

if TYPE_CHECKING:
    from ndstash._identity.walk import Walk

EXTENSIONS = (".so", ".pyd", ".dylib")


def module(walk: Walk, value: ModuleType) -> Iterator[tuple[str, object]]:
    """The items of a module: its names, without modules and what says where it lies. One in C is its file."""
    extension = content_of_extension(value.__name__)
    if extension:
        yield "file", Named("file", extension)
        return
    walk.guard.whole(vars(value))
    for name, content in sorted(vars(value).items()):
        if not (name.startswith("__") and name.endswith("__")) and not isinstance(content, ModuleType):
            yield f"global {name}", walk.value(content, f"the global {name!r}")


def content_of_extension(module: str) -> str | None:
    """The digest of an extension module's file; None for other modules."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return _core.digest_file(file) if file and file.endswith(EXTENSIONS) else None
