"""Moving in: the content of other caches, brought into a store, with equal arrays stored once.

On the command line: `ndstash import KIND PATH`, where KIND is joblib, decache, diskcache or klepto.
"""

from __future__ import annotations

import sqlite3
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from ndstash.errors import Error
from ndstash.importing.report import Report

__all__ = ["Report", "run"]


def run(arguments: Sequence[str]) -> int:
    """The command `ndstash import`: imports, and prints what came over and what did not.

    Returns 0 if everything came over, 1 if something did not, 2 if the import could not be made. Wrong arguments end in
    SystemExit, as argparse does it.
    """
    asked = _parser().parse_args(arguments)
    try:
        report = _bring(asked)
    except (Error, OSError, sqlite3.Error, ImportError) as error:
        print(f"ndstash import: {error}", file=sys.stderr)
        return 2
    print(report)
    return 1 if report.left else 0


def _bring(asked: Namespace) -> Report:
    if asked.kind == "diskcache":
        from ndstash.importing import diskcache

        return diskcache.bring(asked.path, asked.into, asked.pickle, as_json=asked.json, progress=asked.progress)
    if asked.kind == "klepto":
        from ndstash.importing import klepto

        return klepto.bring(asked.path, asked.into, asked.pickle, progress=asked.progress)
    from ndstash.importing import joblib  # Needs joblib itself, which not everybody has.

    blobs = asked.kind == "decache"
    return joblib.bring(asked.path, asked.into, asked.pickle, blobs=blobs, progress=asked.progress)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "ndstash import",
        description="Brings the content of another cache into a store. Nothing of the other cache is changed.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, what in {
        "joblib": "results of joblib.Memory, for joblib.Memory(PATH, backend='ndstash')",
        "decache": "the same, of its store backend 'cas'",
        "diskcache": "items of a diskcache.Cache or FanoutCache, for ndstash.Cache",
        "klepto": "items of a dir_archive or file_archive, for ndstash.Cache",
    }.items():
        one = kinds.add_parser(kind, help=what, description=what)
        one.add_argument("path", metavar="PATH", help="where the other cache is")
        one.add_argument("--into", metavar="DIRECTORY", help="where to; by default in the directory itself or beside it")
        one.add_argument(
            "--pickle",
            choices=("owned", "always", "never"),
            default="owned",
            help="loading a pickle runs code: those in files that only you can write (default), all, none",
        )
        one.add_argument("--no-progress", dest="progress", action="store_false", help="do not show how far it is")
        if kind == "diskcache":
            one.add_argument("--json", action="store_true", help="the cache was made with disk=JSONDisk")
    return parser
