"""A function and its results: how its calls are named, found, and stored. Nothing here decides who computes."""

import inspect
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final, Literal, NamedTuple

from ndstash import codec as codecs
from ndstash._core import Cache as Core
from ndstash._core import Calls, Entry, Key
from ndstash._handle import INHERIT, Handle, Labels, Settings
from ndstash._identity import Identity, identify
from ndstash._info import EntryInfo, is_over
from ndstash._keys import describe_call, rounding
from ndstash._log import DEBUG, INFO, is_heard, pump, tell, warn
from ndstash._memo.binding import binder, ignored_names
from ndstash._memo.options import Options
from ndstash._memo.untyped import meeting
from ndstash._show import duration
from ndstash._times import seconds
from ndstash._travel import register as send_references
from ndstash.errors import Damaged, TooLarge

Trouble = Literal["key", "load", "store", "lock"]

MAX_NAMESPACE = 256
"""The longest namespace of a cache, in bytes."""


class Miss(NamedTuple):
    """Why there is no result to hand out; with one whose time is over, if that will do while another is computed."""

    reason: str
    stale: Entry | None = None


NOT_THERE: Final = Miss("it is not there")
"""There is none that can be handed out, as far as was looked."""
ABSENT: Final = Miss("it is not there")
"""There is no entry at all."""
ALONE: Final = frozenset((Miss, type(None), bool, int, float, complex, str, bytes))
"""Types of results that have no arrays in them, which may be sent on."""


class Function:
    """A function that is memoized."""

    def __init__(
        self, outer: Handle, function: Callable[..., Any], options: Options, identity: Identity | None = None
    ) -> None:
        refuse_generators(function, options.materialize)
        self.outer: Final = outer
        self.function: Final = function
        self.options: Final = options
        self.identity = identity or identify(
            function, version=options.version, name=options.name, ignore=ignored_names(function, options.ignore)
        )
        self.name: Final = self.identity.name
        self.handle: Final = _counted(outer, self.name)
        self.off = False
        self.verbose: Final = outer.settings.verbose if options.verbose is None else options.verbose
        self._bind = binder(function, options.ignore, options.key)
        if not options.typed:
            self._bind = meeting(self._bind)
        self._namespace = outer.namespace
        self._rounding = rounding(options.round)
        self._codec = outer.codec if options.codec is None else codecs.resolve(options.codec)
        self._mode = outer.settings.mmap_mode if options.mmap_mode is INHERIT else options.mmap_mode
        self._stale = seconds(options.stale)
        self._tags = outer.tags(options.tag)
        self._told: set[str] = set()
        self.recalls: Final = options.valid is None and self.verbose < 2
        """Whether there is a short way: it asks nobody about a hit, and tells nobody."""
        self._root: Final = self.handle.root
        self._way: tuple[Identity, Calls, Core, Core] | None = None
        """The short way: for which identity, how calls are named, where results are, and what was open then."""
        self._is_portable = True
        """Whether the last result that was found was in the portable form, which has a shorter way: the next may be, too."""

    def settings(self) -> Settings:
        """Those of the cache, with the options of the function that matter to who loads a result."""
        codec = self.handle.settings.codec if self.options.codec is None else self.options.codec
        return self.handle.settings._replace(mmap_mode=self._mode, codec=codec)

    # --- keys ----------------------------------------------------------------------------------------------------

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
        """The key of a call. Raises TypeError if the function takes no such arguments, or one of them has no key."""
        identity = self.identity = self.identity.check()
        way = self._way
        if self.recalls and (way is None or way[0] is not identity or way[3] is not self._root.opened):
            opened, core = self._root.core, self.handle.core
            calls = Calls(self._namespace, self.name, identity.version, self._mode, self._rounding)
            self._way = identity, calls, core, opened
        return self._key(self._bind(*args, **kwargs), identity.version)

    def _key(self, parts: dict[str, Any], version: str | None) -> Key:
        return Key.of_call(self._namespace, self.name, version, parts, describe=describe_call, rounding=self._rounding)

    def try_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key | None:
        """The key of a call; None if it is to run uncached, for whatever reason."""
        try:
            return None if self.off else self.key(args, kwargs)
        except Exception as error:
            if self._takes(args, kwargs):
                self.trouble("key", error, "has no key, and runs uncached")
            return None

    def _takes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the function takes such arguments. If not, it says so itself best."""
        try:
            inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError:
            return False
        except ValueError:
            pass
        return True

    # --- results -------------------------------------------------------------------------------------------------

    def recall(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a call the short way, if it is there and all is as it was; else a `Miss`: `NOT_THERE` where the long
        way may find it, `ABSENT` where there is nothing to be found.

        - The function is checked, as for any call; `_way` is for the very identity that holds.
        - The key is that of the long way, made of the same canonical bytes of the arguments: it tells apart what keys tell
          apart, and lists and dicts count by what they hold now. Only what people are shown of it is not made. Arguments
          that are many, long, arrays or objects go the long way.
        - The core looks into memory, if the cache has some, and on disk. In memory it holds open entries by their keys, a
          bounded number of bytes; what is changed through this cache it forgets at once, and whether the entry on disk is
          still the same it looks now and then. Values that are pickled are not held.
        - The value is made anew of what was read: nobody gets an object that somebody else has. Arrays are over the same
          read-only map, or copies, as `mmap_mode` says.
        """
        way = self._way
        if way is None or self.off or not self._is_portable:
            return NOT_THERE
        identity, calls, core, opened = way
        try:
            if self._root.opened is not opened or not identity.holds() or is_heard(DEBUG):
                return NOT_THERE
            value = core.recall(calls, self._bind(*args, **kwargs), ABSENT, NOT_THERE)
        except Damaged as error:  # It may have been taken out of the way by now.
            key = self.try_key(args, kwargs)
            return NOT_THERE if key is None else self._damaged(key, error)
        except Exception:  # The long way meets it again, and tells.
            return NOT_THERE
        if type(value) not in ALONE:
            send_references()
        return value

    def find(self, key: Key, again: bool = False) -> Any:
        """The result of a call, counted and told; or a `Miss`. `again`: damage was told already."""
        told = self._is_told(DEBUG, 2)
        start = perf_counter() if told else 0.0
        core = self.handle.core
        try:
            value = self._hit(key)
        except Damaged as error:
            return _damage(error) if again else self._damaged(key, error)
        if value is ABSENT:
            return value
        if value is NOT_THERE:
            entry = core.look(key, self._stale, again=True) if again else core.look(key, self._stale)
            if entry is None:
                return NOT_THERE
            self._is_portable = entry.encoding == "tree"
            if self._stale and entry.stale:
                return Miss("its time is over", entry)
            value = self._load(entry)
            if type(value) is Miss:
                return value
            core.note_hit(entry)
        if told:
            self.tell(DEBUG, 2, f"hit, {duration(perf_counter() - start)}", key)
        return value

    def hand_out(self, key: Key, stale: Entry) -> Any:
        """A result whose time is over, counted; or a `Miss`."""
        value = self._load(stale)
        if type(value) is not Miss:
            self.handle.core.note_hit(stale)
            self.tell(INFO, 2, "hit, stale: it is computed elsewhere", key)
        return value

    def peek(self, key: Key) -> Any:
        """The result of a call as it is stored, not counted; or a `Miss`."""
        # What was computed is not held in memory before somebody asks for it again.
        if not self.handle.settings.memory:
            try:
                value = self._hit(key, count=False)
            except Damaged:  # `look` meets it again, and tells.
                value = NOT_THERE
            if type(value) is not Miss:
                return value
        entry = self.handle.core.look(key)
        return NOT_THERE if entry is None else self._load(entry)

    def _hit(self, key: Key, count: bool = True) -> Any:
        """A result that has a shorter way, by that; else `ABSENT` where there is no entry, `NOT_THERE` where `look` may find
        it. Raises Damaged."""
        if not self._is_portable or self.options.valid is not None:
            return NOT_THERE
        try:
            value = self.handle.core.hit(key, self._mode, ABSENT, NOT_THERE, count=count)
        except Damaged:
            raise
        except Exception:  # `look` meets it again, and tells.
            return NOT_THERE
        if type(value) not in ALONE:
            send_references()
        return value

    def _load(self, entry: Entry) -> Any:
        """The value of an entry; or a `Miss`, counted and told."""
        valid = self.options.valid
        try:
            if valid is not None and not valid(EntryInfo(self.handle, entry)):
                return Miss("it is not valid any more")
            return codecs.read(entry, self._mode, self._codec, self.handle.settings.pickle)
        except Damaged as error:
            return self._damaged(entry.key, error)
        except Exception as error:
            self._note("load", error, "has a result that cannot be used, and runs anew")
            return Miss(f"it cannot be used: {error}")

    def _damaged(self, key: Key, error: Damaged) -> Miss:
        """Counts and tells that a result is damaged."""
        self.handle.core.note_damaged(key, str(error))
        pump()
        return _damage(error)

    # --- computing -----------------------------------------------------------------------------------------------

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the function."""
        value = self.function(*args, **kwargs)
        return list(value) if self.options.materialize and isinstance(value, Iterator) else value

    def missed(self, key: Key, miss: Miss) -> None:
        """Counts and tells a miss."""
        self.handle.core.note_miss()
        if self._is_told(INFO, 1):
            self.tell(INFO, 1, f"computes: {self._why(key, miss)}", key)

    def _why(self, key: Key, miss: Miss) -> str:
        """Why a result was not there."""
        info = self.handle.core.info(key) if miss is NOT_THERE else None
        if info is None:
            return miss.reason
        return "its time is over" if is_over(info) else "it is damaged or not whole"

    def keep(self, key: Key, value: Any, time: float) -> Any:
        """Stores a result. Returns what a hit will return; if it could not be stored, the result itself."""
        self.handle.core.note_computed(time)
        if self._is_told(INFO, 1):
            self.tell(INFO, 1, f"computed in {duration(time)}", key)
        stored = self.peek(key) if self._store(key, value, time) else NOT_THERE
        pump()
        return value if type(stored) is Miss else stored

    def _store(self, key: Key, value: Any, time: float) -> bool:
        """Whether a result was stored."""
        if self.handle.settings.read_only:
            return False
        try:
            labels = Labels(self._expiry(value), self._tags, compute_time=time)
            if not self._is_kept(value, labels):
                self.handle.core.note_refused()
                return False
            self.handle.save(key, value, labels, self._codec)
        except TooLarge as error:
            self.handle.core.note_refused()
            self._warn("large", f"has a result that is larger than the cache, and not stored: {error}")
            return False
        except Exception as error:
            self.trouble("store", error, "has a result that could not be stored")
            return False
        return True

    def _is_kept(self, value: Any, labels: Labels) -> bool:
        """Whether a result is to be stored."""
        if labels.expire is not None and labels.expire <= 0:
            return False
        return self.options.keep is None or self.options.keep(value)

    def _expiry(self, value: Any) -> float | None:
        """For how many seconds a result is to be handed out."""
        expire = self.options.expire
        return self.handle.expiry(expire(value) if callable(expire) else expire)

    def put(self, key: Key, value: Any) -> None:
        """Stores a result that was not computed here. Raises what keeps it from being stored."""
        self.handle.save(key, value, Labels(self._expiry(value), self._tags), self._codec)

    def check_mutation(self, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Warns if a call has changed an argument."""
        if not self.options.warn_mutation:
            return
        try:
            changed = self._key(self._bind(*args, **kwargs), key.version) != key
        except Exception:
            changed = True
        if changed:
            self._warn("mutation", "has changed an argument: a hit will not")

    # --- words ---------------------------------------------------------------------------------------------------

    def trouble(self, what: Trouble, error: Exception, text: str) -> None:
        """Counts what a call gets along without, and warns once of each kind; or raises, if so told."""
        if self.options.on_error == "raise":
            raise error
        self._note(what, error, text)

    def _note(self, what: Trouble, error: Exception, text: str) -> None:
        self.handle.core.note_failure(what, self.name, str(error))
        self._warn(what, f"{text}: {error}")

    def _warn(self, what: str, text: str) -> None:
        """Warns, once of each kind."""
        pump()
        if what not in self._told:
            self._told.add(what)
            warn(f"{self.name} {text}")

    def _is_told(self, level: int, verbosity: int) -> bool:
        """Whether anybody listens: what nobody hears need not be put into words."""
        return self.verbose >= verbosity or is_heard(level)

    def tell(self, level: int, verbosity: int, text: str, key: Key) -> None:
        """Tells the log, and who wants to see it."""
        if is_heard(level):
            tell(level, "%s: %s (%s)", self.name, text, key.digest[:12])
        if self.verbose >= verbosity:
            print(f"[ndstash] {self.name}: {text}", file=sys.stderr)


def _damage(error: Damaged) -> Miss:
    return Miss(f"it is damaged: {error}")


def refuse_generators(function: Callable[..., Any], materialize: bool) -> None:
    """Raises TypeError for a generator, unless it is to be made a list."""
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if not materialize and any(is_kind(function) for is_kind in kinds):
        raise TypeError(f"{function!r} is a generator: with materialize=True a list of what it yields is stored")


def _counted(handle: Handle, name: str) -> Handle:
    """Counters of a function's own, where its name fits into a namespace."""
    name = name.replace("/", ".")
    fits = name.isprintable() and len(f"{handle.namespace}/{name}".encode()) <= MAX_NAMESPACE
    return handle.counted_as(name) if fits else handle
