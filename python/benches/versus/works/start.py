"""Loading the package: processor time in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from versus.measure import Figure, Kind, Row
from versus.report import Comparison
from versus.setting import Setting

# Short, and easily disturbed: needs more rounds than the rest.
MORE_ROUNDS = 3
CODE = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"


def start(setting: Setting, path: Path) -> Iterator[Comparison]:
    modules = ["ndstash", "numpy", *(name for name in ("joblib", "h5py") if name in setting.peers)]
    seconds: dict[str, list[float]] = {module: [] for module in modules}
    # What is compiled is kept, as it is for everybody.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def once(module: str) -> float:
        command = [sys.executable, "-c", CODE.format(module)]
        done = subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True, check=True)
        return float(done.stdout)

    order = list(modules)
    for module in modules:
        once(module)
    for number in range(setting.rounds * MORE_ROUNDS):
        Random(number).shuffle(order)
        for module in order:
            seconds[module].append(once(module))
    kinds = {"ndstash": Kind.OWN, "numpy": Kind.ASIDE}
    rows = [Row(f"import {name}", Figure.of(each), kinds.get(name, Kind.PEER)) for name, each in seconds.items()]
    found = Comparison(
        "import of the package, with all that it imports",
        "Processor time in a fresh process, the start of Python not counted. All import NumPy.",
        "seconds",
        rows,
    )
    reference = rows[1].figure.median
    found.want_at_most("import ndstash / import numpy", found.own.figure.median / reference, 1.3)
    yield found
