"""What a code object names: globals, captured variables and imports, each with the attributes asked of it.

Read from the byte code, where scopes are settled: it has the names of nested functions, comprehensions and class bodies.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any, Literal, NamedTuple

GLOBAL_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
CELL_LOADS = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
CODES_KEPT = 16384
BETWEEN = {"SWAP", "POP_TOP"}
"""What may stand between the parts of an import."""
LOAD, STORE = "LOAD_FAST", "STORE_FAST"
ANNOTATIONS = "__annotate__"
OF_THE_MODULE = {"__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__", "__path__", "__cached__"}
"""Globals that say where the code lies."""


class Step(NamedTuple):
    """An instruction and its argument."""

    op: str
    name: Any


class Use(NamedTuple):
    """A name, where it comes from, and the attributes that follow it."""

    origin: Literal["global", "captured", "import"]
    name: str
    path: tuple[str, ...] = ()


@lru_cache(maxsize=CODES_KEPT)
def uses(code: CodeType) -> tuple[Use, ...]:
    """All that a function names, in an order that does not depend on the process."""
    found = set(_uses(code, frozenset(code.co_freevars), {}))
    found.update(Use("captured", name) for name in code.co_freevars if not any(one[:2] == ("captured", name) for one in found))
    return tuple(sorted(found))


def _uses(code: CodeType, free: frozenset[str], imported: dict[str, Use]) -> Iterator[Use]:
    imported = {name: use for name, use in imported.items() if name in code.co_freevars}
    steps = list(_steps(code))
    stored: set[str] = set()
    for at, step in enumerate(steps):
        if step.op == "IMPORT_NAME":
            imported.update(_import(steps, at))
            yield from (use for use in imported.values() if use.path)
        elif step.op == "STORE_NAME":
            stored.add(step.name)
        else:
            use = _loaded(code, step, free, imported, stored)
            if use:
                yield use._replace(path=use.path + _path(steps, at + 1))
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and inner.co_name != ANNOTATIONS:
            yield from _uses(inner, free, imported)


def _steps(code: CodeType) -> Iterator[Step]:
    """The instructions, those that are two in one taken apart."""
    for one in dis.get_instructions(code):
        if "_FAST_" in one.opname and isinstance(one.argval, tuple):
            yield Step(STORE if one.opname.startswith(STORE) else LOAD, one.argval[0])
            yield Step(STORE if one.opname.endswith(STORE) else LOAD, one.argval[1])
        elif one.opname != "EXTENDED_ARG":
            yield Step(one.opname, one.argval)


def _loaded(
    code: CodeType, step: Step, free: frozenset[str], imported: dict[str, Use], stored: set[str]
) -> Use | None:
    """What an instruction loads, if it is not a local value."""
    name = step.name
    if step.op in CELL_LOADS | GLOBAL_LOADS or _is_local(code, step):
        if name in imported:
            return imported[name]
    if step.op in CELL_LOADS and name in free:
        return Use("captured", name)
    if step.op in GLOBAL_LOADS and name not in stored and name not in OF_THE_MODULE:
        return Use("global", name)
    return None


def _is_local(code: CodeType, step: Step) -> bool:
    """A load of a local variable; loads of cells only hand them to an inner function."""
    return step.op.startswith(LOAD) and step.name not in code.co_cellvars


def _path(steps: list[Step], at: int) -> tuple[str, ...]:
    names = []
    while at < len(steps) and steps[at].op in ATTRIBUTES:
        names.append(steps[at].name)
        at += 1
    return tuple(names)


def _import(steps: list[Step], at: int) -> Iterator[tuple[str, Use]]:
    """The variables that an import statement sets, with what they stand for."""
    level, names, module = steps[at - 2].name, steps[at - 1].name, steps[at].name
    module = "." * level + module
    path: tuple[str, ...] = ()
    for step in steps[at + 1 :]:
        if step.op == "IMPORT_FROM":
            path = (step.name,) if names else (*path, step.name)
        elif step.op.startswith("STORE_"):
            yield step.name, _target(module, names, path)
            if not names:
                return
        elif step.op not in BETWEEN:
            return


def _target(module: str, names: object, path: tuple[str, ...]) -> Use:
    """`import a.b` stands for a, `import a.b as c` for a.b, `from a import b` for b of a."""
    if names:
        return Use("import", module, path)
    return Use("import", module if path else module.partition(".")[0])
