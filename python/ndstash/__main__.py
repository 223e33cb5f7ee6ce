"""The command line program, and the import of other caches, which Rust alone cannot read."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from ndstash import _core


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program with these arguments (those of the process, if none are given); returns its exit code.

    >>> main(["--version"])  # doctest: +SKIP
    ndstash 0.1.0
    0
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["import"]:
        from ndstash import importing

        return importing.run(given[1:])
    sys.stdout.flush()
    # The interpreter's own handler would wait until the program has ended.
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return _core.run_cli(given)
    finally:
        signal.signal(signal.SIGINT, handler)


if __name__ == "__main__":
    sys.exit(main())
