"""Compares ndstash with what people use today, and with the machine's limit, on the same work, in one run.

python benches/peers.py [--size MiB] [--rounds N] [--dir DIR] [--only NAME ...] [--write docs/performance.md]

All that is compared takes turns, round by round; figures are medians of the rounds, ratios are those of medians.
Exits with 1 if a target is missed. Peers that are not installed are left out, and said so.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from versus import machine, page, plot
from versus.report import Comparison
from versus.setting import PEERS, Setting, installed
from versus.works import WORKS

PROCESSES = 8


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    peers = installed(options.peers)
    setting = Setting(options.dir, options.size, options.rounds, options.processes, peers)
    facts = list(machine.facts(options.dir, peers))
    for name, value in facts:
        print(f"{name}: {value}")
    compared = [found for name in options.only or WORKS for found in run(name, setting)]
    missed = [f"{found.title}: {target}" for found in compared for target in found.targets if not target.met]
    print("\n" + "\n".join(["missed:", *missed] if missed else ["all targets met"]))
    if options.write:
        write(options, compared, facts)
    return bool(missed)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--size", type=int, default=1024, help="of the large array, in MiB (1024)")
    made.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    made.add_argument("--processes", type=int, default=PROCESSES, help=f"how many share a hit ({PROCESSES})")
    made.add_argument("--dir", type=Path, default=Path(), help="where to work: on the disk that is to be measured (.)")
    made.add_argument("--only", nargs="+", choices=WORKS, metavar="NAME", help=f"what to compare, of {' '.join(WORKS)} (all)")
    made.add_argument("--peers", nargs="+", choices=PEERS, metavar="NAME", default=PEERS, help=f"of {' '.join(PEERS)} (all)")
    made.add_argument("--write", type=Path, metavar="PAGE", help="the page to be written, its plot beside it (none)")
    return made


def run(name: str, setting: Setting) -> list[Comparison]:
    found = []
    with setting.scratch() as path:
        for comparison in WORKS[name](setting, path):
            print("\n" + "\n".join(comparison.lines()), flush=True)
            found.append(comparison)
    gc.collect()
    return found


def write(options: argparse.Namespace, compared: list[Comparison], facts: list[tuple[str, str]]) -> None:
    picture = options.write.with_suffix(".svg")
    drawn = plot.draw(compared, picture)
    if not drawn:
        print("matplotlib is not installed: no plot")
    text = page.text(compared, facts, command(options), picture.name if drawn else None)
    options.write.write_text(text, encoding="ascii")


def command(options: argparse.Namespace) -> str:
    """What makes this page again, on whatever disk."""
    parts = ["tools/peers", "--size", options.size, "--rounds", options.rounds]
    if options.processes != PROCESSES:
        parts += ["--processes", options.processes]
    for name in ("only", "peers"):
        chosen = getattr(options, name)
        if chosen not in (None, PEERS):
            parts += [f"--{name}", *chosen]
    return " ".join(map(str, [*parts, "--dir", "DIR", "--write", "docs/performance.md"]))


if __name__ == "__main__":
    sys.exit(main())
