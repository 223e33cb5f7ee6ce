"""How a function is memoized."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypedDict

from ndstash._core import MmapMode, Rounding
from ndstash._handle import INHERIT, Inherit
from ndstash._info import EntryInfo
from ndstash._times import Seconds
from ndstash.codec import Codec

Round = int | Rounding
"""To so many decimals, all floats in it; or as a `Rounding` says."""


class MemoizeOptions(TypedDict, total=False):
    """What `Cache.memoize` takes."""

    ignore: str | int | Iterable[str | int]
    """Parameters that the result does not depend on: names or positions; "*" and "**" are those that take the rest."""
    round: Round | Mapping[str, Round]
    """Rounds floats in the key: to so many decimals, or as a `Rounding` says; all of them, or those of the parameters named."""
    key: Callable[..., object]
    """Makes of the arguments what they are told apart by."""
    version: str
    """Stands for the code of the function, which is then not looked at."""
    name: str
    """What the function is called in the cache; by default its module and qualified name."""
    expire: Seconds | Callable[[Any], Seconds | None] | None
    """For how long a result is handed out; may depend on it. None: for ever. What is not above zero is not stored."""
    tag: str | Iterable[str] | None
    """Tags of the results."""
    typed: bool
    """Whether 1, 1.0 and True are different arguments. They are by default."""
    mmap_mode: MmapMode
    """How arrays come back: "r", "c" or None, see `Cache`."""
    keep: Callable[[Any], bool]
    """Whether a result is to be stored. It is handed out either way."""
    valid: Callable[[EntryInfo], bool]
    """Whether a stored result is still good. If not it is computed anew."""
    stale: Seconds
    """A result whose time has been over for less than this is handed out while somebody else is computing a new one."""
    lock: bool
    """Whether others wait while one computes. They do by default."""
    codec: str | Codec
    """How results are stored, see `Cache`."""
    verbose: int
    """1: tells of each computation on stderr; 2: of each hit as well."""
    on_error: Literal["warn", "raise"]
    """What is done about arguments that have no key, and results that cannot be stored."""
    warn_mutation: bool
    """Warns if a call has changed an argument: on a hit, it is not changed."""
    materialize: bool
    """Makes a list of what a generator yields. Without it, generators are refused."""


class Options(NamedTuple):
    """The same, with what was not given."""

    ignore: str | int | Iterable[str | int] = ()
    round: Round | Mapping[str, Round] | None = None
    key: Callable[..., object] | None = None
    version: str | None = None
    name: str | None = None
    expire: Seconds | Callable[[Any], Seconds | None] | Inherit | None = INHERIT
    tag: str | Iterable[str] | Inherit | None = INHERIT
    typed: bool = True
    mmap_mode: MmapMode | Inherit = INHERIT
    keep: Callable[[Any], bool] | None = None
    valid: Callable[[EntryInfo], bool] | None = None
    stale: Seconds = 0.0
    lock: bool = True
    codec: str | Codec | None = None
    verbose: int | None = None
    on_error: Literal["warn", "raise"] = "warn"
    warn_mutation: bool = False
    materialize: bool = False

    @classmethod
    def checked(cls, given: MemoizeOptions) -> dict[str, Any]:
        """Those that were given, if there are such options. Raises TypeError else, ValueError for what none can be."""
        unknown = set(given) - set(cls._fields)
        if unknown:
            raise TypeError(f"there is no option {min(unknown)!r} of a memoized function")
        if (on_error := given.get("on_error", "warn")) not in ("warn", "raise"):
            raise ValueError(f"on_error is 'warn' or 'raise', not {on_error!r}")
        return dict(given)
