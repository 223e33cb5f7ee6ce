"""Digests of nodes that refer to one another, cycles included, whatever order they were met in.

Nodes that do not lie on a cycle are hashed after those that they refer to. Those that do are hashed together: each gets
a colour from its own content and the colours that it refers to, again and again until no more of them differ; then its
digest is its colour with the set of all. So two graphs have equal digests only if no walk along the references, however
long, tells them apart.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence

from ndstash import _core

Colours = Mapping[int, str]
Hash = Callable[[int, Colours], str]
"""The digest of a node's content, given those of the nodes it refers to."""


def digests(links: Sequence[Sequence[int]], hashed: Hash) -> list[str]:
    """The digest of every node, from the list of references of each."""
    done: dict[int, str] = {}
    for group in _groups(links):
        if len(group) == 1 and group[0] not in links[group[0]]:
            done[group[0]] = hashed(group[0], done)
        else:
            done.update(_together(group, hashed, done))
    return [done[node] for node in range(len(links))]


def _together(group: list[int], hashed: Hash, done: dict[int, str]) -> dict[int, str]:
    colours = dict.fromkeys(group, "")
    count = 0
    while len(set(colours.values())) > count:
        count = len(set(colours.values()))
        known = ChainMap(colours, done)
        colours = {node: hashed(node, known) for node in group}
    everything = " ".join(sorted(set(colours.values())))
    return {node: _core.digest(f"{colours[node]} of {everything}".encode()) for node in group}


def _groups(links: Sequence[Sequence[int]]) -> list[list[int]]:
    """The strongly connected components (Tarjan, without recursion), each after those that it refers to."""
    found: list[list[int]] = []
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    waiting: dict[int, None] = {}
    for root in range(len(links)):
        path = [] if root in order else [(root, iter(links[root]))]
        while path:
            node, rest = path[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                waiting[node] = None
            target = next(rest, None)
            if target is None:
                path.pop()
                if low[node] == order[node]:
                    found.append(_taken_from(waiting, node))
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
            elif target not in order:
                path.append((target, iter(links[target])))
            elif target in waiting:
                low[node] = min(low[node], order[target])
    return found


def _taken_from(waiting: dict[int, None], first: int) -> list[int]:
    """All that came since a node that reaches nothing older: they are one component."""
    group = list(waiting)[list(waiting).index(first) :]
    for node in group:
        del waiting[node]
    return group
