"""What a closure's cell holds."""

from __future__ import annotations

import types


class Empty:
    """Stands for what is not there: a cell before it is set, a name before it is defined."""

    def __ndstash_key__(self) -> None:
        """There is one such thing."""


EMPTY = Empty()


def contents(cell: types.CellType) -> object:
    """The content of a cell, `EMPTY` before it is set."""
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY
