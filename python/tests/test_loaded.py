"""Classes that are known by name, without their modules being loaded for it."""

import decimal
import pathlib

from ndstash._loaded import name_among

NAMES = {"decimal.Decimal", "pathlib.PosixPath"}


def test_a_class_is_known_by_its_name() -> None:
    assert name_among(NAMES, decimal.Decimal) == "decimal.Decimal"
    assert name_among(NAMES, pathlib.PosixPath) == "pathlib.PosixPath"
    assert name_among(NAMES, decimal.Context) == "", "it is none of them"


def test_an_impostor_is_not() -> None:
    impostor = type("Decimal", (), {"__module__": "decimal"})
    assert name_among(NAMES, impostor) == ""


def test_a_class_without_a_proper_module_is_not() -> None:
    odd = type("Odd", (), {"__module__": property(lambda self: "decimal")})
    assert name_among(NAMES, odd) == ""
