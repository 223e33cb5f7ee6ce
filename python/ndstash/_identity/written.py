"""Names that a function only writes to, as `calls.append(x)` or `count += 1`: what they hold cannot reach its result."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

WRITES = {"append", "appendleft", "extend", "add", "insert", "update", "clear", "discard"}
"""Methods of the built-in containers that give nothing back."""


def only_written(function: ast.AST) -> frozenset[str]:
    """Names of which every use is a statement that writes."""
    uses = Counter(node.id for node in ast.walk(function) if isinstance(node, ast.Name))
    writes = Counter(name for node in ast.walk(function) for name in _written(node))
    return frozenset(name for name, count in writes.items() if uses[name] == count)


def _written(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))) if method in WRITES:
            yield name
        case ast.AugAssign(target=ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name))):
            yield name
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name))]):
            yield name
