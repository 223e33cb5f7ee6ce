#!/usr/bin/env python3
"""Makes the keys of calls. Independent of the library: blobs-format.md section 6 says all that it needs.

That is its purpose: keys that this file makes, the text describes. Numbers in brackets are sections of that text.
It needs the package `blake3` besides the standard library. NumPy arrays and scalars are taken if they are given.

`canonical_key.py check FILE` makes every encoding, key and rounded number of a file of vectors anew [12], and says
which differ; `canonical_key.py key FILE` prints the keys of a file with the same list of `calls`.
"""

import argparse
import bisect
import json
import math
import random
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

KEY_CONTEXT = "ndstash 0 key"
SHORT = 64
NAN = bytes.fromhex("000000000000f87f")
WHOLE = 2.0**52
DECIMALS_MAX = 300
SIGNIFICANT_MAX = 17


@dataclass(frozen=True)
class Array:
    """An array, by its elements in C order."""

    dtype: str
    shape: tuple
    elements: bytes


@dataclass(frozen=True)
class File:
    """The content of a file, by its digest."""

    digest: bytes


@dataclass(frozen=True)
class Named:
    """A value of a type that has a name."""

    name: str
    value: object


class Pairs(list):
    """A map whose keys Python takes for equal (1, 1.0, True), or cannot have in a dict."""


class Items(list):
    """A set of the same kind; `frozen` tells which."""

    def __init__(self, items, frozen):
        super().__init__(items)
        self.frozen = frozen


def u64(number):
    return struct.pack("<Q", number)


def counted(content):
    return u64(len(content)) + content


def integer(value):
    """Two's complement, as few bytes as hold the sign; none for zero [6.2]."""
    bits = (value if value >= 0 else ~value).bit_length()
    size = 0 if value == 0 else bits // 8 + 1
    return counted(value.to_bytes(size, "little", signed=True))


def float_bits(value):
    return NAN if math.isnan(value) else struct.pack("<d", value)


def content(data):
    """Bytes themselves if they are few, else their digest [6.2]."""
    return counted(data) if len(data) <= SHORT else u64(len(data)) + blake3(data).digest()


def array(value):
    dtype, shape = value.dtype.encode(), value.shape
    return b"\x0d" + counted(dtype) + u64(len(shape)) + b"".join(map(u64, shape)) + content(value.elements)


def sorted_items(tag, items):
    """Items, or pairs of a key and a value, in the order of the encoded keys, which must differ."""
    encoded = sorted((encode(key), b"".join(map(encode, rest))) for key, *rest in items)
    if any(one[0] == other[0] for one, other in zip(encoded, encoded[1:])):
        raise ValueError("two keys or items are equal")
    return tag + u64(len(encoded)) + b"".join(key + rest for key, rest in encoded)


def encode(value):
    """The canonical encoding [6.2]. Types are looked at exactly: no subclass is taken for its base."""
    kind = type(value)
    if value is None:
        return b"\x00"
    if kind is bool:
        return b"\x02" if value else b"\x01"
    if kind is int:
        return b"\x03" + integer(value)
    if kind is float:
        return b"\x04" + float_bits(value)
    if kind is str:
        return b"\x05" + counted(value.encode())
    if kind is bytes:
        return b"\x06" + content(value)
    if kind is list:
        return b"\x07" + u64(len(value)) + b"".join(map(encode, value))
    if kind is tuple:
        return b"\x08" + u64(len(value)) + b"".join(map(encode, value))
    if kind is dict:
        return sorted_items(b"\x09", value.items())
    if kind is Pairs:
        return sorted_items(b"\x09", value)
    if kind in (set, frozenset):
        return sorted_items(b"\x0a" if kind is set else b"\x0b", ((item,) for item in value))
    if kind is Items:
        return sorted_items(b"\x0b" if value.frozen else b"\x0a", ((item,) for item in value))
    if kind is complex:
        return b"\x0c" + float_bits(value.real) + float_bits(value.imag)
    if kind is Array:
        return array(value)
    if kind is File:
        return b"\x0e" + value.digest
    if kind is Named:
        return b"\x0f" + counted(value.name.encode()) + encode(value.value)
    if kind.__module__ == "numpy" and hasattr(value, "dtype"):
        little = value.astype(value.dtype.newbyteorder("<"))
        return array(Array(little.dtype.name, little.shape, little.tobytes("C")))
    raise TypeError(f"{kind.__name__} has no encoding")


def call_key(namespace, function=None, version=None, parts=()):
    """The key of a call [6.3]: 32 bytes. `parts` are pairs of name and value."""
    frame = encode(namespace) + encode(function) + encode(version) + encode(Pairs(parts))
    return blake3(frame, derive_key_context=KEY_CONTEXT).digest()


POWERS = [float(f"1e{exponent}") for exponent in range(-323, 309)]


def power(exponent):
    return POWERS[exponent + 323] if -323 <= exponent <= 308 else None


def to_decimals(value, count):
    scale = power(abs(count))
    if scale is None or not math.isfinite(value):
        return value
    scaled = value / scale if count < 0 else value * scale
    if not abs(scaled) < WHOLE:
        return value
    whole = math.copysign(float(round(scaled)), scaled)
    rounded = whole * scale if count < 0 else whole / scale
    return rounded if math.isfinite(rounded) else value


def round_decimals(value, count):
    """Rounds to so many digits after the point [6.4]."""
    return to_decimals(value, max(-DECIMALS_MAX, min(count, DECIMALS_MAX))) + 0.0


def round_significant(value, count):
    """Rounds to so many digits [6.4]."""
    count = max(1, min(count, SIGNIFICANT_MAX))
    first = bisect.bisect_right(POWERS, abs(value)) - 1 - 323
    return to_decimals(value, count - 1 - first) + 0.0


def pattern(size):
    return bytes(at % 251 for at in range(size))


def from_json(item):
    """A value as the vectors spell it: what JSON cannot say is a map of one key that begins with `$`."""
    if isinstance(item, list):
        return [from_json(one) for one in item]
    if not isinstance(item, dict):
        return item
    [(kind, inside)] = item.items()
    return READERS[kind](inside)


def bytes_from_json(item):
    return bytes.fromhex(item) if isinstance(item, str) else pattern(item["pattern"])


def float_from_json(bits):
    return struct.unpack(">d", bytes.fromhex(bits))[0]


def array_from_json(item):
    return Array(item["dtype"], tuple(item["shape"]), bytes_from_json(item["elements"]))


def shuffled(items):
    """Order must not count, so it is another one each time."""
    return random.sample(items, len(items))


READERS = {
    "$int": int,
    "$float": float_from_json,
    "$complex": lambda parts: complex(*map(float_from_json, parts)),
    "$bytes": bytes_from_json,
    "$tuple": lambda items: tuple(map(from_json, items)),
    "$map": lambda pairs: Pairs(shuffled([(from_json(key), from_json(value)) for key, value in pairs])),
    "$set": lambda items: Items(shuffled([from_json(item) for item in items]), frozen=False),
    "$frozenset": lambda items: Items(shuffled([from_json(item) for item in items]), frozen=True),
    "$array": array_from_json,
    "$file": lambda digest: File(bytes.fromhex(digest)),
    "$named": lambda item: Named(item[0], from_json(item[1])),
}


def key_of(call):
    parts = shuffled([(name, from_json(value)) for name, value in call["parts"]])
    return call_key(call["namespace"], call["function"], call["version"], parts).hex()


def check(vectors):
    """Yields what differs from the vectors, after how many were looked at."""
    for case in vectors["values"]:
        value = from_json(case["value"])
        if encode(value).hex() != case["encoding"]:
            yield f"value {case['name']!r}: encoded as {encode(value).hex()}, not {case['encoding']}"
        key = call_key("vectors", parts=[("", value)]).hex()
        if key != case["key"]:
            yield f"value {case['name']!r}: its key is {key}, not {case['key']}"
    for call in vectors["calls"]:
        if key_of(call) != call["key"]:
            yield f"call {call}: its key is {key_of(call)}"
    for case in vectors["rounding"]:
        value = float_from_json(case["value"])
        if "decimals" in case:
            found = round_decimals(value, case["decimals"])
        else:
            found = round_significant(value, case["significant"])
        if float_bits(found) != float_bits(float_from_json(case["rounded"])):
            yield f"rounding {case}: found {found!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("command", choices=["check", "key"])
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    vectors = json.loads(args.file.read_text(encoding="utf-8"))
    if args.command == "key":
        for call in vectors["calls"]:
            print(key_of(call))
        return 0
    found = list(check(vectors))
    for fault in found:
        print(fault)
    if not found:
        print(" ".join(f"{len(vectors[part])} {part}" for part in ("values", "calls", "rounding")))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
