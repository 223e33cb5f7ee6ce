"""What all tests share."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import ndstash

sys.path.insert(0, os.path.dirname(__file__))

# Tests write a module anew within a second; Python would take what it compiled of the one before for it.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.fixture
def cache(tmp_path: Path) -> ndstash.Cache:
    """An empty cache."""
    return ndstash.Cache(tmp_path / "cache")


@pytest.fixture
def processes() -> Iterator[Callable[[int], ProcessPoolExecutor]]:
    """Makes pools of fresh processes, which are gone after the test."""
    pools: list[ProcessPoolExecutor] = []

    def make(count: int) -> ProcessPoolExecutor:
        pools.append(ProcessPoolExecutor(count, mp_context=get_context("spawn")))
        return pools[-1]

    yield make
    for pool in pools:
        pool.shutdown(wait=True, cancel_futures=True)


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Imports a source text as the module `written`, as if its file had been changed."""
    count = 0

    def load(source: str, name: str = "written") -> Any:
        nonlocal count
        count += 1
        return _import(tmp_path / f"edit{count}", name, source)

    before = set(sys.modules)
    yield load
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _import(directory: Path, name: str, source: str) -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    directory.mkdir()
    path = directory / f"{name}.py"
    path.write_text(source)
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    made = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
