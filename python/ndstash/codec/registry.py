"""What a codec is, and which ones are known by name."""

from __future__ import annotations

import re
from _thread import allocate_lock
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from ndstash._core import Invalid, Unsupported
from ndstash.codec.pickled import PICKLE

if TYPE_CHECKING:
    from typing_extensions import Buffer as BufferLike

    from ndstash.codec.buffers import Buffers


class Codec(Protocol):
    """Turns values into bytes, and back.

    A codec may have an attribute `executes`: whether loading what a stranger wrote could run the stranger's code, as
    pickle does. Without it the answer is yes, and entries are loaded only if their files are trusted.
    """

    @property
    def name(self) -> str:
        """The word that entries carry for it: 1 to 64 ASCII letters, digits, `-`, `.`, `_`. It must change with the format."""

    def dumps(self, value: Any, /) -> tuple[BufferLike, Sequence[BufferLike]]:
        """Data, and the large pieces of memory beside it, each of which is stored once and mapped back.

        Raises TypeError or pickle.PicklingError for values that it cannot take.
        """

    def loads(self, data: BufferLike, buffers: Buffers, /) -> Any:
        """The value again."""


Choice = Codec | Literal["auto", "portable"]
"""Which codec writes: "portable" is the encoding of the core, "auto" that one if it takes the value and pickle if not."""

_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RESERVED: Final = frozenset({"auto", "pickle", "portable", "stream", "tree"})
_lock = allocate_lock()
_known: dict[str, Codec] = {PICKLE.name: PICKLE}


def executes(codec: Codec) -> bool:
    """Whether loading with it may run code that the writer of the bytes chose."""
    return bool(getattr(codec, "executes", True))


def register(codec: Codec) -> None:
    """Makes a codec known by its name, so that what it wrote loads wherever it is registered.

    Raises Invalid if it is no codec, if its name cannot be the word for an encoding, or if another one has the name.
    """
    _check(codec)
    with _lock:
        if _known.setdefault(codec.name, codec) is not codec:
            raise Invalid(f"another codec is registered as {codec.name!r}")


def get(name: str) -> Codec:
    """The codec of that name, or "pickle". Raises Unsupported if none is registered."""
    found = PICKLE if name == "pickle" else _known.get(name)
    if found is None:
        raise Unsupported(f"no codec is registered for the encoding {name!r}: see ndstash.codec.register")
    return found


def resolve(choice: str | Codec) -> Choice:
    """What a `codec=` argument means: "auto", "portable", "pickle", a registered name, or a codec. Raises Invalid."""
    if not isinstance(choice, str):
        _check(choice)
        return choice
    named: dict[str, Choice] = {"auto": "auto", "portable": "portable", "pickle": PICKLE, **_known}
    if choice not in named:
        raise Invalid(f"no codec is called {choice!r}: there are {', '.join(map(repr, named))}")
    return named[choice]


def _check(codec: Codec) -> None:
    if not (callable(getattr(codec, "dumps", None)) and callable(getattr(codec, "loads", None))):
        raise Invalid(f"a codec has dumps and loads, and {type(codec).__qualname__} has not")
    name = getattr(codec, "name", None)
    if not (isinstance(name, str) and _WORD.fullmatch(name)) or name in _RESERVED:
        raise Invalid(f"the name of a codec is a word of 1 to 64 ASCII letters, digits, -, ., _, and not {name!r}")
