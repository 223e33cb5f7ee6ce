"""Which function is this, soundly: the same code with the same surroundings has the same identity in every process.

What counts:

- the function's syntax tree (comments, formatting, docstrings and annotations do not; nor do its name and decorators).
  Without source that fits, as of code typed into a plain interpreter, its byte code, which holds for one version of Python;
- its defaults, captured variables, and the globals and attributes that it names, in nested functions too: by value if
  they are values; if they are functions, classes and modules of the user's own, by what those are made of, and so on;
- of a class its bases, methods and attributes; of an instance of the user's own classes also its class.

Installed packages and the standard library count by name, their versions on request; what was patched into them by the
user is followed. Variables that a function only writes to (`calls.append(x)`) do not count.

What cannot be seen: names made at run time (`getattr(module, name)` of a chosen name is followed into modules of the
user's own only as a whole; `exec`, `globals()[...]` not at all), values inside modules of others, the environment,
files, time. `version=` is the way to say that something of it has changed.
"""

from __future__ import annotations

from ndstash._identity.code import is_code
from ndstash._identity.identity import Identity, describe_code, identify
from ndstash._identity.owner import is_own
from ndstash.errors import Unidentifiable

__all__ = ["Identity", "Unidentifiable", "describe_code", "identify", "is_code", "is_own"]
