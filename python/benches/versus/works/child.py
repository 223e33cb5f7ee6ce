"""Run in a process of its own, in the directory to work in: does something and says what memory it took.

python child.py SETUP ACT VALUES: `ACT` is an expression in `key` and `value`, done once for the key "first", then, after a
line on stdin, for the key "array", whose value has that many numbers. After another line the figures are printed.
"""

import json
import sys
from typing import Any

import numpy


def mib(file: str, field: str) -> float:
    with open(f"/proc/self/{file}") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def main(setup: str, act: str, values: str) -> None:
    names: dict[str, Any] = {}
    exec(setup, names)
    array = numpy.arange(int(values), dtype=float)

    def done(key: str, value: Any) -> Any:
        result = eval(act, names, {"key": key, "value": value})
        if isinstance(result, numpy.ndarray):
            result.sum()
        return result

    done("first", array[:8])
    say("ready")
    own, resident, share = mib("status", "RssAnon"), mib("status", "VmRSS"), mib("smaps_rollup", "Pss")
    kept = done("array", array)
    say("done")
    figures = {"own": mib("status", "RssAnon") - own, "share": mib("smaps_rollup", "Pss") - share}
    figures["peak"] = mib("status", "VmHWM") - resident
    say(json.dumps({name: max(figure, 0) for name, figure in figures.items()}))
    del kept


def say(line: str) -> None:
    """Prints a line and waits for one."""
    print(line, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
