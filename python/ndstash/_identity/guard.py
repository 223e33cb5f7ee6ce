"""Whether all that an identity was made from is still there: objects by identity, what can change by its content again."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any

from ndstash._identity.cells import contents

Namespace = Mapping[str, Any]


class Guard:
    """Collects what is met while a function is followed, then tells whether it is as it was.

    For functions that are called often: a comparison for each name and each function, and nothing else but the hashing
    of values that can change.
    """

    __slots__ = ("_absent", "_cells", "_digest", "_entries", "_functions", "_has_others", "_missing", "_seen", "_values", "_whole")

    def __init__(self, digest: Callable[[object], str]) -> None:
        """`digest` is what a value that can change is compared by."""
        self._digest = digest
        self._functions: list[tuple[types.FunctionType, object, object, object]] = []
        self._entries: list[tuple[Namespace, str, object]] = []
        self._missing: dict[int, tuple[Namespace, set[str]]] = {}
        self._absent: list[tuple[Callable[[set[str]], bool], set[str]]] = []
        self._cells: list[tuple[types.CellType, object]] = []
        self._whole: list[tuple[Namespace, tuple[object, ...]]] = []
        self._values: list[tuple[object, str]] = []
        self._seen: set[tuple[int, str]] = set()
        self._has_others = False
        """Whether there are cells, namespaces as a whole, or values: most functions have none of them."""

    def function(self, function: types.FunctionType) -> None:
        """Code and defaults of a function."""
        self._functions.append((function, function.__code__, function.__defaults__, function.__kwdefaults__))
        keyword: Namespace = function.__kwdefaults__ or {}
        for name, value in keyword.items():
            self.entry(keyword, name, value)

    def entry(self, namespace: Namespace, name: str, value: object) -> None:
        """A name of a namespace, and what it stands for."""
        if (id(namespace), name) not in self._seen:
            self._seen.add((id(namespace), name))
            self._entries.append((namespace, name, value))

    def missing(self, namespace: Namespace, name: str) -> None:
        """A name that a namespace does not have."""
        names = self._missing.setdefault(id(namespace), (namespace, set()))[1]
        if not names:
            self._absent.append((namespace.keys().isdisjoint, names))
        names.add(name)

    def cell(self, cell: types.CellType, value: object) -> None:
        """What a cell holds."""
        self._cells.append((cell, value))
        self._has_others = True

    def whole(self, namespace: Namespace) -> None:
        """All that a namespace has."""
        self._whole.append((namespace, tuple(namespace.values())))
        self._has_others = True

    def value(self, value: object, digest: str) -> None:
        """A value that can change in place."""
        self._values.append((value, digest))
        self._has_others = True

    def holds(self) -> bool:
        """Whether nothing has changed. Raises what hashing a value raises."""
        for function, code, defaults, keyword in self._functions:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                return False
            if function.__kwdefaults__ is not keyword:
                return False
        try:
            for namespace, name, value in self._entries:
                if namespace[name] is not value:
                    return False
        except KeyError:
            return False
        for is_absent, names in self._absent:
            if not is_absent(names):
                return False
        return not self._has_others or self._others_hold()

    def _others_hold(self) -> bool:
        for cell, value in self._cells:
            if contents(cell) is not value:
                return False
        for namespace, values in self._whole:
            if len(namespace) != len(values) or not all(map(is_, namespace.values(), values)):
                return False
        return all(self._digest(value) == digest for value, digest in self._values)
