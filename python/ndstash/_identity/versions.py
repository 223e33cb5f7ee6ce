"""Which versions of packages are installed. Apart from the rest, for what it takes is slow to load."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import metadata

from ndstash._identity.owner import PYTHON


@lru_cache(maxsize=4096)
def version_of(top: str) -> str:
    """The installed version of a top-level package, or "unknown"; of "python" the minor version."""
    if top == PYTHON:
        return "{}.{}".format(*sys.version_info)
    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        return _version_of_distribution(top)


def _version_of_distribution(top: str) -> str:
    """Of a package whose distribution has another name."""
    names = _distributions().get(top)
    if names:
        return ", ".join(sorted(metadata.version(name) for name in set(names)))
    return str(getattr(sys.modules.get(top), "__version__", "unknown"))


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
