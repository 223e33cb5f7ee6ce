"""The source of a code object, only if it really is its source.

A file may have been edited since it was imported, moved by lines, or be gone. So the text that is found is compiled, and
only a function whose code object does the same as the one at hand is taken.
"""

from __future__ import annotations

import __future__

import ast
import linecache
import warnings
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

from ndstash import _core
from ndstash._describe import describe
from ndstash._identity.bytecode import normal
from ndstash._identity.spelling import Function

OLD_FUTURES = {"nested_scopes", "generators"}
"""Their flags mean something else by now."""
FUTURES = sum({getattr(__future__, name).compiler_flag for name in {*__future__.all_feature_names} - OLD_FUTURES})
NOT_COMPILED = (SyntaxError, ValueError, RecursionError, MemoryError)
TEXTS_KEPT, STATEMENTS_KEPT = 16, 256
Span = tuple[int, int, int, int]
Pair = tuple[Function, CodeType]


def find(code: CodeType, namespace: dict[str, Any]) -> Function | None:
    """The syntax tree of a function's code object; None if no text at hand compiles to it."""
    wanted = _core.canonical(normal(code), describe)
    for text in _texts(code.co_filename, namespace):
        for node, compiled in _candidates(text, code):
            if _core.canonical(normal(compiled), describe) == wanted:
                return node
    return None


def _texts(file: str, namespace: dict[str, Any]) -> Iterator[str]:
    """The text as it was when it was first asked for, then as it is now."""
    first = "".join(linecache.getlines(file, namespace))
    yield first
    linecache.checkcache(file)
    second = "".join(linecache.getlines(file, namespace))
    if second != first:
        yield second


def _candidates(text: str, code: CodeType) -> Iterator[Pair]:
    """Functions of this name: of the statement that the code comes from, if lines have not moved, then of all others."""
    place = (code.co_firstlineno, _positions(code))
    statements = _statements(text)
    order = sorted(range(len(statements)), key=lambda at: not _covers(statements[at], code.co_firstlineno))
    for at in order:
        found = [pair for pair in _functions(text, at, code.co_flags & FUTURES) if pair[1].co_name == code.co_name]
        yield from sorted(found, key=lambda pair: _distance(place, pair[1]))


def _covers(statement: ast.stmt, line: int) -> bool:
    decorators = getattr(statement, "decorator_list", None)
    first = decorators[0].lineno if decorators else statement.lineno
    return first <= line <= (statement.end_lineno or first)


def _distance(place: tuple[int, list[Span]], compiled: CodeType) -> tuple[int, bool]:
    return (abs(place[0] - compiled.co_firstlineno), place[1] != _positions(compiled))


@lru_cache(maxsize=TEXTS_KEPT)
def _statements(text: str) -> list[ast.stmt]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text).body
        except NOT_COMPILED:
            return []


@lru_cache(maxsize=TEXTS_KEPT)
def _imports(text: str) -> list[ast.stmt]:
    """The import statements of the module's own scope: calls of what they bind are compiled in another way."""
    found: list[ast.stmt] = []
    todo: list[ast.AST] = list(_statements(text))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [node] if getattr(node, "module", "") != "__future__" else []
        elif not isinstance(node, Function | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))
    return found


@lru_cache(maxsize=STATEMENTS_KEPT)
def _functions(text: str, at: int, flags: int) -> list[Pair]:
    """The functions of one statement with their code objects. Alone, as others may not compile."""
    statement = _statements(text)[at]
    nodes = [node for node in ast.walk(statement) if isinstance(node, Function)]
    compiled = _compiled([*_imports(text), statement], flags) if nodes else None
    pairs = [(_node_of(code, nodes), code) for code in _codes(compiled)] if compiled else []
    return [(node, code) for node, code in pairs if node is not None]


def _compiled(statements: list[ast.stmt], flags: int) -> CodeType | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            whole: CodeType = compile(ast.Module(statements, []), "<source>", "exec", flags, dont_inherit=True)
            return whole
        except NOT_COMPILED:
            return None


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _node_of(code: CodeType, nodes: list[Function]) -> Function | None:
    """Only lambdas can share a line: of these it is the smallest whose body holds all of the code."""
    found = [node for node in nodes if _name(node) == code.co_name and _first_line(node) == code.co_firstlineno]
    if len(found) == 1:
        return found[0]
    spans = _positions(code)
    holding = [node for node in found if spans and all(_holds(node, span) for span in spans)]
    return min(holding, key=_size, default=None)


def _name(node: Function) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _first_line(node: Function) -> int:
    decorators = getattr(node, "decorator_list", None)
    return decorators[0].lineno if decorators else node.lineno


def _positions(code: CodeType) -> list[Span]:
    """Where the instructions come from, without those that have no text of their own; none if columns are not kept."""
    return [
        (line, column, end_line, end_column)
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and end_line is not None and column is not None and end_column is not None
        if (line, column) < (end_line, end_column)
    ]


def _span(node: Any) -> Span:
    return (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)


def _holds(node: Function, span: Span) -> bool:
    line, column, end_line, end_column = _span(node.body)
    return (line, column) <= span[:2] and span[2:] <= (end_line, end_column)


def _size(node: Function) -> tuple[int, int]:
    line, column, end_line, end_column = _span(node.body)
    return (end_line - line, end_column - column)
