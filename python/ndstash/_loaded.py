"""Classes of modules that are not loaded for their sake: who has an instance of one has loaded its module."""

import sys
from collections.abc import Container


def name_among(names: Container[str], kind: type) -> str:
    """The name of a class with the package that has it, as in `decimal.Decimal`, if it is one of these; empty if not."""
    top = str(kind.__module__).partition(".")[0]
    name = f"{top}.{kind.__name__}"
    return name if name in names and getattr(sys.modules.get(top), kind.__name__, None) is kind else ""
