"""What the figures were measured on: hardware, system, versions. Nothing that names the machine or its paths."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

import ndstash


def facts(directory: Path, peers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names and values, to be shown in this order."""
    load = os.getloadavg()[0]
    yield "processor", f"{_field('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores for this process"
    yield "memory", f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / (1 << 20):.0f} GiB"
    yield "disk", _disk(directory)
    yield "kernel", f"{platform.system()} {platform.release()}"
    yield "others on the machine", f"load average {load:.1f} when it began"
    yield "Python", f"{platform.python_implementation()} {platform.python_version()}"
    yield "ndstash", ndstash.__version__
    yield "NumPy", np.__version__
    for name in peers:
        yield name, version(name)


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "not known"


def _disk(directory: Path) -> str:
    """The file system of a directory, and its device."""
    kind, source = _mount(directory.resolve())
    device = Path(source).name
    lacks_journal = Path("/proc/fs/ext4", device).exists() and not any(Path("/proc/fs/jbd2").glob(f"{device}-*"))
    return f"{kind}{' without a journal' if lacks_journal else ''} on {device}"


def _mount(directory: Path) -> tuple[str, str]:
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, rest = line.partition(" - ")
        kind, source = rest.split()[:2]
        found[Path(place.split()[4])] = (kind, source)
    return next(found[path] for path in (directory, *directory.parents) if path in found)
