"""The text of a function as it counts: its syntax tree, spelled so that equal code has equal bytes in every Python version.

What does not count: comments, formatting, docstrings, annotations of parameters, results and local variables, and, of
the function itself, its name, its decorators and the expressions of its defaults (their values count elsewhere).
Annotations in the body of a class count: there they often make fields. Where a nested function's are evaluated, the names
in them still count as names that are used.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
SILENT = {"ctx", "type_comment", "type_params", "kind", "returns"}
"""Fields of nodes that never count."""


def spell(function: Function) -> bytes:
    """What the function does, without how it is called."""
    body = [function.body] if isinstance(function, ast.Lambda) else _without_docstring(function.body)
    arguments = list(_parameters(function.args))
    return b"".join(_spelled([type(function).__name__, arguments, body]))


def spell_outside(function: Function) -> bytes:
    """What is around it: parameters with their annotations, and the result's. For wrappers that read them."""
    notes = [argument.annotation for argument in _arguments(function.args)]
    return b"".join(_spelled([notes, getattr(function, "returns", None)]))


def spell_expression(node: ast.expr) -> bytes:
    return b"".join(_spelled(node))


def _parameters(args: ast.arguments) -> Iterator[object]:
    for group in (args.posonlyargs, args.args, [args.vararg], args.kwonlyargs, [args.kwarg]):
        yield [argument and argument.arg for argument in group]


def _arguments(args: ast.arguments) -> list[ast.arg]:
    groups = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [argument for argument in groups if argument]


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body


def _spelled(root: object) -> Iterator[bytes]:
    """Prefix code: a word, how many parts, the parts. Not recursive: expressions may be deep."""
    todo: list[tuple[object, bool]] = [(root, False)]
    while todo:
        item, in_class = todo.pop()
        if isinstance(item, ast.AST):
            parts, in_class = _parts(item, in_class), _is_class_scope(item, in_class)
            yield _word(type(item).__name__, len(parts))
        elif isinstance(item, list):
            parts = item
            yield _word("", len(parts))
        else:
            parts = []
            yield _constant(item)
        todo.extend((part, in_class) for part in reversed(parts))


def _parts(node: ast.AST, in_class: bool) -> list[object]:
    """Names and contents of the fields that count and are not empty."""
    parts: list[object] = []
    for name, content in ast.iter_fields(node):
        if name in SILENT or (name == "annotation" and not in_class) or content is None or content == []:
            continue
        if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            content = _without_docstring(content)
        parts += [name, content]
    return parts


def _is_class_scope(node: ast.AST, in_class: bool) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return False
    return in_class or isinstance(node, ast.ClassDef)


def _word(word: str, parts: int) -> bytes:
    return f"({word} {parts})".encode()


def _constant(value: object) -> bytes:
    text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _written(value)
    return b"%s %d:%s" % (type(value).__name__.encode(), len(text), text)


def _written(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value).encode()
    return repr(value).encode()
