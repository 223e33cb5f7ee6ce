"""The comparisons. Each makes one table or several in an empty directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from versus.report import Comparison
from versus.setting import Setting
from versus.works.arguments import argument
from versus.works.large import hit, owned, put, there
from versus.works.memory import memory, shared
from versus.works.small import small_hit, small_put
from versus.works.space import ten_keys
from versus.works.start import start

WORKS: dict[str, Callable[[Setting, Path], Iterator[Comparison]]] = {
    "put": put,
    "there": there,
    "hit": hit,
    "owned": owned,
    "argument": argument,
    "small_hit": small_hit,
    "small_put": small_put,
    "ten_keys": ten_keys,
    "memory": memory,
    "shared": shared,
    "start": start,
}
