"""A pytest plugin that runs joblib's own tests of `Memory` with the backend of ndstash in the place of joblib's."""

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
from joblib import memory

from ndstash.joblib import NdstashStoreBackend

FILES = "looks for output.pkl, func_code.py or their directories"
MEMMAP = "wants numpy.memmap, which is all of a file of its own"

DESELECTED = {
    "test_parallel_call_cached_function_defined_in_jupyter": FILES,
    "test_func_dir": FILES,
    "test_persistence": FILES,
    "test_call_and_shelve_lazily_load_stored_result": FILES,
    "test__get_items": FILES,
    "test_memory_clear": "wants the directory of the location to be empty, and a store has files of its own",
    "test_memory_creates_gitignore": "wants joblib's wording in the file .gitignore; a store has one of its own",
    "test_memory_numpy_check_mmap_mode": MEMMAP,
    "test_memory_numpy_check_mmap_mode_async": MEMMAP,
    "test_memorized_result_forwards_mmap_mode": MEMMAP,
}
"""Tests that are bound to the files of joblib's own backend, and how."""


def pytest_configure(config: pytest.Config) -> None:
    memory._STORE_BACKENDS["local"] = NdstashStoreBackend


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    if missing := DESELECTED.keys() - {item.originalname for item in items}:
        raise pytest.UsageError(f"there are no tests called {', '.join(sorted(missing))}")
    out = [item for item in items if item.originalname in DESELECTED]
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)
    for module in {item.module for item in items}:
        module.corrupt_single_cache_item = corrupt_single_cache_item


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs coroutines, for which joblib has another plugin."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def corrupt_single_cache_item(memory: Any) -> None:
    """Flips a byte of the only result, as joblib's tests do with their files."""
    (result,) = memory.store_backend.get_items()
    (info,) = memory.store_backend._of_function(str(Path(result.path).relative_to(memory.store_backend.location).parent))
    damage(Path(memory.store_backend.location), info.key.digest)


def damage(store: Path, digest: str) -> None:
    """Flips the last byte of an entry."""
    path = store / "entries" / digest[:2] / digest
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
