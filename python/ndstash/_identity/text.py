"""The text of a code object as identity sees it, found once per code object."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import CodeType
from typing import Any, NamedTuple

from ndstash import _core
from ndstash._identity import bytecode, source
from ndstash._identity.spelling import Function, spell, spell_expression, spell_outside
from ndstash._identity.written import only_written

TEXTS_KEPT = 16384
SYNTAX, BYTECODE = "syntax", "bytecode"


class Decorator(NamedTuple):
    """A decorator: the name that it begins with, and the digest of its text."""

    root: str | None
    digest: str


class Text(NamedTuple):
    """What counts of a function's code."""

    kind: str
    digest: str
    written: frozenset[str] = frozenset()
    """Names that are only written to: their content does not count."""
    outside: str | None = None
    """The digest of annotations, for wrappers that read them."""
    decorators: tuple[Decorator, ...] = ()


_known: dict[int, tuple[CodeType, Text]] = {}
"""By id: code objects of two files can be equal. The code object is kept, so its id stays its own."""
_travelled: dict[str, Text] = {}
"""By digest of the byte code: of functions that came from a process that had their source."""


def text_of(code: CodeType, namespace: dict[str, Any]) -> Text:
    """By syntax tree if there is source for it, here or where it came from; else by byte code."""
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= TEXTS_KEPT:
            _known.clear()
        known = _known[id(code)] = (code, _find(code, namespace))
    return known[1]


def packed(codes: list[CodeType]) -> dict[str, Text]:
    """The texts of code objects, to go where their source is not."""
    found = {code: _known[id(code)][1] for code in codes if id(code) in _known}
    return {bytecode.digest_of(code): text for code, text in found.items() if text.kind == SYNTAX}


def unpack(texts: Mapping[str, Text]) -> None:
    """Takes in what `packed` gave in another process."""
    _travelled.update(texts)


def _find(code: CodeType, namespace: dict[str, Any]) -> Text:
    node = source.find(code, namespace)
    if node is not None:
        return _of_syntax(node)
    digest = bytecode.digest_of(code)
    return _travelled.get(digest) or Text(BYTECODE, digest)


def _of_syntax(node: Function) -> Text:
    decorators = tuple(
        Decorator(_root(one), _core.digest(spell_expression(one))) for one in getattr(node, "decorator_list", [])
    )
    outside = _core.digest(spell_outside(node))
    return Text(SYNTAX, _core.digest(spell(node)), only_written(node), outside, decorators)


def _root(node: ast.expr) -> str | None:
    """The name at the beginning of `a.b(...).c`."""
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None
