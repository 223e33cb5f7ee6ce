"""Follows what a function names, and makes one digest of all of it.

Every function, class and module of the user's own becomes a node: what it is made of, item by item. Values in it are
hashed at once, unless there is code inside: then they are hashed when the digests of that code are known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable

from ndstash import _core
from ndstash._core import Named
from ndstash._identity.code import home_of, is_code, is_followed
from ndstash._identity.fixed import SCALARS, is_fixed
from ndstash._identity.graph import Colours, digests
from ndstash._identity.guard import Guard
from ndstash._identity.nodes import Held, Nodes, described, digest_of
from ndstash._identity.owner import is_own, package_of
from ndstash._identity.places import inside, place_of
from ndstash._identity.refusing import refusal
from ndstash.errors import Unidentifiable

Items = Iterable[tuple[str, object]]
SHOWN, SHORT = 80, 16


class Walk:
    """One pass over all that a function names."""

    def __init__(self, root: object, ignore: Collection[str], importing: bool) -> None:
        """`importing`: modules of the user's own that a function imports when it runs are imported, if they are not yet."""
        self.inside = inside(root)
        """The function that a partial or method is of."""
        self.ignore = ignore
        self.importing = importing
        self.pending = False
        """Whether something was left out that can be imported."""
        self.packages: set[str] = set()
        self.nodes = Nodes()
        self.nodes.number(root)
        self.guard = Guard(self.nodes.compared)
        """Tells whether all that was met is as it was."""
        self._contents: list[dict[str, object]] = []
        self._digests: list[str] = []
        self._met: set[int] = set()

    def run(self, content_of: Callable[[Walk, object], Items]) -> str:
        """Takes the nodes one after another; each may bring new ones. Returns the digest of the first, and so of all."""
        links = []
        for node in self.nodes.objects:
            self._met = set()
            self._contents.append(dict(content_of(self, node)))
            links.append(sorted(self._met))
        self.nodes.closed = True
        self._digests = digests(links, self._hashed)
        for content in self._contents:
            content.update({name: self._settled(item.value) for name, item in content.items() if isinstance(item, Held)})
        return self._digests[0]

    def value(self, value: object, where: str) -> object:
        """What counts of a value met at a place of the node at hand; what can change of it is watched."""
        if type(value) in SCALARS and (type(value) is not str or value.isascii()):
            return value
        before, self._met = self._met, set()
        digest = self._first_digest(value, where)
        held = bool(self._met)
        self._met |= before
        if not is_fixed(value):
            self.guard.value(value, digest)
        return Held(value) if held else Named("value", digest)

    def refusal(self, where: str, reason: object) -> Unidentifiable:
        """For what cannot be told from another, at a place of the node at hand."""
        return refusal(place_of(self.nodes.objects[len(self._contents)]), where, reason)

    def foreign(self, module: str) -> None:
        """Notes a package that is used and not followed."""
        if not is_own(module):
            self.packages.add(package_of(module))

    def parts(self) -> dict[str, str]:
        """What the digest was made of, in short texts: the items of the root, then those of the other nodes by name."""
        names = self._names()
        order = sorted(names, key=names.__getitem__)
        return {f"{names[node]}{item}": _text(value) for node in order for item, value in self._contents[node].items()}

    def _names(self) -> dict[int, str]:
        """What the items of each node are led by: nothing for the root, else its place. Nodes of one place are numbered."""
        names, seen = {0: ""}, Counter[str]()
        for number in sorted(range(1, len(self._digests)), key=self._digests.__getitem__):
            place = place_of(self.nodes.objects[number])
            seen[place] += 1
            names[number] = f"{place} ({seen[place]}): " if seen[place] > 1 else f"{place}: "
        return names

    def _first_digest(self, value: object, where: str) -> str:
        def describe_new(one: object) -> object:
            found = described(one, self._token)
            self.foreign(home_of(one) if is_code(one) else type(one).__module__)
            return found

        try:
            return _core.digest(_core.canonical(value, describe_new))
        except (TypeError, ValueError, RecursionError) as error:
            raise self.refusal(where, error) from error

    def _token(self, code: object) -> str:
        number = self.nodes.number(code)
        self._met.add(number)
        return str(number)

    def _hashed(self, number: int, known: Colours) -> str:
        return digest_of(self._contents[number], lambda code: known[self.nodes.number(code)])

    def _settled(self, value: object) -> Named:
        """What is left of a value with code inside, once that is hashed."""
        if is_code(value) and is_followed(value):
            return Named("code", place_of(value))
        return Named("value", digest_of(value, lambda code: self._digests[self.nodes.number(code)]))


def _text(item: object) -> str:
    if not isinstance(item, Named):
        return repr(item)[:SHOWN]
    return f"value {str(item.value)[:SHORT]}" if item.name == "value" else f"{item.name} {item.value}"[:SHOWN]
