"""What keeps a store in order: limits, culling, checks."""

from typing import Any

from ndstash._handle import Handle
from ndstash._log import pump

SETTINGS = {
    "size_limit": "bytes",
    "entry_limit": "entries",
    "age_limit": "age",
    "policy": "policy",
    "eviction_policy": "policy",
}
"""What the limits are called here, and what in the core."""

POLICIES = {"least-recently-used": "lru", "least-recently-stored": "oldest", "least-frequently-used": "lfu"}
"""What DiskCache calls the policies."""


def setting(handle: Handle, name: str) -> Any:
    """A limit of the store."""
    return handle.store.limits()[_core_name(name)]


def ensure(handle: Handle, name: str, value: Any) -> None:
    """Changes a limit of the store, unless it is that already."""
    if setting(handle, name) != POLICIES.get(value, value):
        change(handle, name, value)


def change(handle: Handle, name: str, value: Any) -> Any:
    """Changes a limit of the store, for everybody; returns what it is now."""
    core_name = _core_name(name)
    return handle.store.set_limits(**{core_name: POLICIES.get(value, value)})[core_name]


def _core_name(name: str) -> str:
    try:
        return SETTINGS[name]
    except KeyError:
        raise KeyError(f"no setting {name!r}; there are {', '.join(SETTINGS)}") from None


def check(handle: Handle, fix: bool) -> list[str]:
    """Reads the whole store; what is wrong with it."""
    from ndstash._progress import progress

    with progress("checking", "B", handle.settings.progress) as observe:
        report = handle.store.verify(repair=fix, progress=observe)
    handle.core.clear_memory()
    pump()
    problems: list[str] = report["problems"]
    return problems


def cull(handle: Handle) -> int:
    """Removes what is over its time or over the limits; how many entries."""
    report = handle.store.cull()
    handle.core.clear_memory()
    pump()
    return report["evicted"]


def collect(handle: Handle) -> dict[str, int]:
    """Removes blobs that no entry names; what was done."""
    report = handle.store.gc()
    pump()
    return report


def merge(handle: Handle, other: Handle, replace: bool) -> dict[str, int]:
    """Takes over the entries of another store; what was done."""
    report = handle.store.merge(other.store, replace=replace)
    handle.core.clear_memory()
    pump()
    return report
