"""Memory: what a put, a hit and a load need beside the array, and what processes share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from versus.measure import MIB, Figure, Kind, Row
from versus.report import Comparison
from versus.setting import Setting, size

CHILD = Path(__file__).parent / "child.py"
SHARED_MIB = 256
# What a mapped hit may need for itself, and a load beside the array: a hundredth of the array, and what libraries take at
# their first large work.
OWN_PART, OWN_MIB = 0.01, 8


@dataclass(frozen=True)
class Act:
    """What a child does: `setup` before it is measured, then an expression in `key` and `value`. `peer` must be there."""

    name: str
    peer: str
    setup: str
    code: str
    kind: Kind = Kind.PEER


LMDB = """
import lmdb, numpy
environment = lmdb.open('lmdb', map_size=1 << 40)
def put(key, value):
    with environment.begin(write=True) as transaction: transaction.put(key.encode(), value)
def get(key):
    with environment.begin() as transaction: return numpy.frombuffer(transaction.get(key.encode()))
"""
DISKCACHE = "import diskcache; cache = diskcache.Cache('diskcache', size_limit=1 << 40)"
PUTS = (
    Act("ndstash", "", "import ndstash", "ndstash.Cache('ndstash').set(key, value)", Kind.OWN),
    Act("np.save", "", "import numpy", "numpy.save(key + '.npy', value)"),
    Act("joblib.dump", "joblib", "import joblib", "joblib.dump(value, key + '.joblib')"),
    Act("DiskCache", "diskcache", DISKCACHE, "cache.set(key, value)"),
    Act("LMDB", "lmdb", LMDB, "put(key, value)"),
)
HITS = (
    Act("ndstash", "", "import ndstash", "ndstash.Cache('ndstash')[key]", Kind.OWN),
    Act("np.load, mmap", "", "import numpy", "numpy.load(key + '.npy', mmap_mode='r')"),
    Act("np.load", "", "import numpy", "numpy.load(key + '.npy')"),
    Act("joblib.load, mmap", "joblib", "import joblib", "joblib.load(key + '.joblib', mmap_mode='r')"),
    Act("joblib.load", "joblib", "import joblib", "joblib.load(key + '.joblib')"),
)
LOADS = (
    Act("ndstash", "", "import ndstash", "ndstash.Cache('ndstash', mmap_mode=None)[key]", Kind.OWN),
    Act("np.load", "", "import numpy", "numpy.load(key + '.npy')"),
    Act("joblib.load", "joblib", "import joblib", "joblib.load(key + '.joblib')"),
    Act("DiskCache", "diskcache", DISKCACHE, "cache[key]"),
    Act("LMDB", "lmdb", LMDB, "get(key)"),
)


def memory(setting: Setting, path: Path) -> Iterator[Comparison]:
    """The puts come first: they make what is found and loaded."""
    yield Comparison(
        f"peak memory of a put of {setting.size}, beside the array itself",
        "The most resident memory (VmHWM) of a child process, beyond what it had with the array made and a first small put.",
        "MiB",
        [alone(act, path, "peak", setting.mib) for act in possible(PUTS, setting)],
    )
    found = Comparison(
        f"memory of its own that a process needs for a hit of {setting.size}, read through",
        "Anonymous memory (RssAnon) of a child process, beyond what it had after a first small hit. Files that are mapped are "
        "the page cache's, and everybody's.",
        "MiB",
        [alone(act, path, "own") for act in possible(HITS, setting)],
    )
    found.want_at_most("MiB", found.own.figure.median, setting.mib * OWN_PART + OWN_MIB)
    yield found
    found = Comparison(
        f"peak memory of a load of {setting.size} into memory of its own",
        "The most resident memory (VmHWM) of a child process, beyond what it had after a first small load. What is mapped "
        "meanwhile counts too.",
        "MiB",
        [alone(act, path, "peak") for act in possible(LOADS, setting)],
    )
    found.want_at_most("MiB", found.own.figure.median, setting.mib * (1 + OWN_PART) + OWN_MIB)
    yield found


def shared(setting: Setting, path: Path) -> Iterator[Comparison]:
    mib = min(setting.mib, SHARED_MIB)
    for act in possible(PUTS, setting):
        run(act, path, 1, mib)
    own, share = [], []
    for act in possible(HITS, setting):
        children = run(act, path, setting.processes)
        own.append(Row(act.name, Figure.of([sum(child["own"] for child in children)]), act.kind))
        share.append(Row(act.name, Figure.of([sum(child["share"] for child in children) / mib]), act.kind))
    title = f"a hit of {size(mib)}, read through by {setting.processes} processes at a time"
    how = "All processes together, while all hold the array, beyond what they had after a first small hit."
    found = Comparison(
        f"{title}: memory, in copies of the array",
        f"{how} Each page is split among the processes that have it (Pss).",
        "copies",
        share,
    )
    found.want_at_most("copies", found.own.figure.median, 1.05)
    yield found
    yield Comparison(f"{title}: memory of their own", f"{how} Anonymous memory (RssAnon).", "MiB", own)


def possible(acts: Sequence[Act], setting: Setting) -> list[Act]:
    """Those of the peers that are there."""
    return [act for act in acts if not act.peer or act.peer in setting.peers]


def alone(act: Act, path: Path, figure: str, mib: int = 0) -> Row:
    return Row(act.name, Figure.of([run(act, path, 1, mib)[0][figure]]), act.kind)


def run(act: Act, path: Path, processes: int, mib: int = 0) -> list[dict[str, float]]:
    """The figures of as many children, which act at the same time and then hold what they got until all have it."""
    command = [sys.executable, str(CHILD), act.setup, act.code, str(mib * MIB // 8)]
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                subprocess.Popen(command, cwd=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(processes)
        ]
        for _ in ("ready", "done"):
            lines(children)
            go_on(children)
        figures = [json.loads(line) for line in lines(children)]
        go_on(children)
    return figures


def lines(children: Sequence[subprocess.Popen[str]]) -> list[str]:
    """The next line of each."""
    found = [child.stdout.readline() if child.stdout else "" for child in children]
    if not all(found):
        raise RuntimeError("a child ended early; what it said is above")
    return found


def go_on(children: Sequence[subprocess.Popen[str]]) -> None:
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
