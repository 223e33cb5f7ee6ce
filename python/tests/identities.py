"""Modules written to be changed, and the versions of their functions."""

from __future__ import annotations

import importlib
import linecache
import os
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ndstash._identity import identify


class Project:
    """A folder of modules of a user's own, on the import path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, source: str) -> Path:
        """Writes a module. One that was imported before is forgotten, as in a new process."""
        path = self.folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        sys.modules.pop(name, None)
        linecache.checkcache()
        importlib.invalidate_caches()
        return path

    def load(self, name: str, source: str) -> Any:
        """Writes and imports a module."""
        self.write(name, source)
        return importlib.import_module(name)

    def version(self, source: str, function: str = "f") -> str:
        """The version of a function of a module with this source."""
        return version(getattr(self.load("subject", source), function))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project; what was imported from it is forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Project(tmp_path)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def version(function: object, **options: Any) -> str:
    """The version of a function as at a call."""
    return identify(function, **options).check().version


def cell(source: str, namespace: dict[str, Any], number: int) -> None:
    """Runs a notebook's cell: its source is known to `linecache` under a name of its own."""
    file = f"/tmp/ipykernel_1/{number}.py"
    text = textwrap.dedent(source)
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), namespace)


def notebook() -> dict[str, Any]:
    """The names of a fresh notebook."""
    return types.ModuleType("__main__").__dict__


def in_new_process(source: str, folder: Path, **environment: str) -> str:
    """What a program prints."""
    package = str(Path(sys.modules["ndstash"].__file__ or "").parent.parent)
    path = os.pathsep.join([str(folder), str(Path(__file__).parent), package, os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
