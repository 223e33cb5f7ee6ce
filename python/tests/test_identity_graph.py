"""Digests of nodes that refer to one another."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ndstash import _core
from ndstash._identity.graph import digests

Graph = list[tuple[str, list[int]]]
"""Of each node its own content and its references in order."""


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small graphs of few contents, so that many nodes are alike."""
    size = draw(st.integers(1, 6))
    node = st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, size - 1), max_size=3))
    return draw(st.lists(node, min_size=size, max_size=size))


def made(graph: Graph) -> list[str]:
    return digests(
        [links for _, links in graph],
        lambda node, known: _core.digest(repr((graph[node][0], [known[link] for link in graph[node][1]])).encode()),
    )


def tell_apart(one: Graph, first: int, two: Graph, second: int) -> bool:
    """Whether some walk does, by refining both graphs together until nothing changes."""
    nodes = [(graph, node) for graph in (one, two) for node in range(len(graph))]
    both: Graph = [(graph[node][0], [link + (len(one) if graph is two else 0) for link in graph[node][1]]) for graph, node in nodes]
    classes: list[object] = [0] * len(both)
    for _ in both:
        seen = [(content, tuple(classes[link] for link in links)) for content, links in both]
        classes = [seen.index(one) for one in seen]
    return classes[first] != classes[len(one) + second]


@given(graphs(), graphs())
def test_equal_digests_mean_that_nothing_tells_them_apart(one: Graph, two: Graph) -> None:
    for first, digest in enumerate(made(one)):
        for second, other in enumerate(made(two)):
            if digest == other:
                assert not tell_apart(one, first, two, second)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_in_which_nodes_are_met_does_not_count(graph: Graph, chance: random.Random) -> None:
    order = list(range(len(graph)))
    chance.shuffle(order)
    place = {node: at for at, node in enumerate(order)}
    moved = [(graph[node][0], [place[link] for link in graph[node][1]]) for node in order]
    before, after = made(graph), made(moved)
    assert [after[place[node]] for node in range(len(graph))] == before


@given(graphs())
def test_a_change_anywhere_below_is_seen(graph: Graph) -> None:
    changed = [*graph[:-1], ("c", graph[-1][1])]
    reached, todo = set(), [0]
    while todo:
        node = todo.pop()
        if node not in reached:
            reached.add(node)
            todo += graph[node][1]
    assert (made(graph)[0] != made(changed)[0]) == (len(graph) - 1 in reached)


def test_a_long_chain_and_a_long_ring() -> None:
    count = 5000
    chain: Graph = [("a", [at + 1]) for at in range(count)] + [("a", [])]
    assert len(set(made(chain))) == count + 1
    ring: Graph = [("a", [(at + 1) % count]) for at in range(count)]
    assert len(set(made(ring))) == 1
