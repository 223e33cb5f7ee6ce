#!/usr/bin/env python3
"""Reads an ndstash store. Written from blobs-format.md alone, without a look at the library.

That is its purpose: what this file can read, the text describes. Numbers in brackets are sections of that text.
It takes no lock, changes nothing in the store, and needs the package `blake3` besides the standard library. Compressed
manifests need zstd as well: that of Python 3.14, or the package `zstandard` or `backports.zstd`.
MessagePack is decoded here and not by a package: the text tells float 32 from float 64 and limits nesting and
counts, a repeated key of the body has to be seen, and keys may be any trees; the package does none of the five.
"""

import argparse
import contextlib
import datetime
import errno
import importlib
import json
import math
import os
import re
import stat
import struct
import sys
import tomllib
import unicodedata
from dataclasses import dataclass

from blake3 import blake3

VERSION = 0
SETTINGS_MAX = 64 * 1024
BODY_MAX = 67108864
BLOBS_MAX = 250000
DIMENSIONS_MAX = 64
NESTING_MAX = 64
VALUES_MAX = 4000000
NAME_MAX = 1024
BYTES_END = 1 << 63
NEVER = (1 << 63) - 1
NAME_CONTEXT = "ndstash 0 entry name"

HEAD_MAGIC = b"\x89ndstash"
# magic, version, codec, flags, reserved, key, id, boot id, body length, blob count, reserved, body checksum,
# sequence number, created, expires, compute time
HEAD = struct.Struct("<8sIBB2s32s16s16sQI4s32sQqqQ")
BLOB = struct.Struct("<32sQ")
DIGEST_SIZE = 32
FLAG_PINNED = 0x01
CODEC_PLAIN, CODEC_ZSTD = 0, 1
ZSTD_MAGIC = bytes.fromhex("28b52ffd")
ZSTD_WINDOW_LOG = 26
MANIFEST_MAX = HEAD.size + BLOBS_MAX * BLOB.size + DIGEST_SIZE + BODY_MAX

FRAME_MAGIC = b"NDJ0"
FRAME_START = struct.Struct("<4sI")

LEDGER_MAGIC = b"NDL0\0\0\0\0"
LEDGER = struct.Struct("<8s7Q8s")
LEDGER_FIELDS = ("sequence", "bytes", "entries", "counted_bytes", "counted_entries", "culled", "culled_before")

ENCODING_TREE = "tree"
ENCODING_MAX = 64
ENCODING_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")

BLOB_MODE = 0o444
# Not known to be on disk, and how power loss may leave such a file.
UNCERTIFIED = (0o544, 0o500)
BLOB_TIME_NS = 315532800 * 10**9
CHUNK = 1 << 20
# The text sets no limit; this one is ours, so that a sparse file cannot exhaust memory.
JOURNAL_MAX = 1 << 30
MARKS_MAX = 1 << 30
# A reader that loses the race against a replacement this often reports it instead of spinning.
READ_TRIES = 10
LIST_MAX = 1 << 20
SHOW_MAX = 64

EXT_ARRAY = 1
EXT_BYTES = 2
EXT_SEQUENCE = 3
EXT_TAG = 4
TAGS = {1: "tuple", 2: "set", 3: "frozenset", 4: "complex", 5: "integer", 6: "some", 7: "omitted", 8: "scalar",
        9: "datetime", 10: "date", 11: "time", 12: "timedelta", 13: "ticks"}
DATE = r"\d{4}-\d\d-\d\d"
CLOCK = r"\d\d:\d\d:\d\d(\.(?!000000)\d{6})?"
OFFSET = r"([+-])(\d\d):(\d\d)(?::(?!00(?!\.))(\d\d)(?:\.(?!000000)(\d{6}))?)?"
MOMENTS = {kind: re.compile(form, re.ASCII) for kind, form in (
    ("datetime", f"(?P<date>{DATE})T(?P<clock>{CLOCK})(?P<offset>{OFFSET})?"), ("date", f"(?P<date>{DATE})"),
    ("time", f"(?P<clock>{CLOCK})(?P<offset>{OFFSET})?"))}
TICKS = re.compile(r"(?:datetime64|timedelta64)(?:\[([1-9]\d{0,9})?(?:[YMWDhms]|[munpfa]s)\])?", re.ASCII)
DAYS_MAX = 999999999
EXT_SIZE = 4

# dtype: item size, struct code of one number, type of a .npy header
DTYPES = {
    "bool": (1, "B", "|b1"),
    "int8": (1, "b", "|i1"),
    "int16": (2, "h", "<i2"),
    "int32": (4, "i", "<i4"),
    "int64": (8, "q", "<i8"),
    "uint8": (1, "B", "|u1"),
    "uint16": (2, "H", "<u2"),
    "uint32": (4, "I", "<u4"),
    "uint64": (8, "Q", "<u8"),
    "float16": (2, "e", "<f2"),
    "bfloat16": (2, "H", "<u2"),
    "float32": (4, "f", "<f4"),
    "float64": (8, "d", "<f8"),
    "complex64": (8, "f", "<c8"),
    "complex128": (16, "d", "<c16"),
}

SETTINGS = {
    "features": {"compatible": list, "read_only": list, "incompatible": list},
    "arrays": {"inline_max": int, "inline_total": int},
    "access": {"shared": bool},
    "limits": {"bytes": int, "entries": int, "age": int, "policy": str},
}
POLICIES = ("lru", "lfu", "oldest", "cost")
KNOWN_FEATURES = frozenset()

SHARDS = tuple(f"{i:02x}" for i in range(256))
DIRECTORIES = ("blobs", "entries", "keylocks", "marks", "flights", "tmp", "trash", "quarantine")
FILES = (
    "ndstash.toml", "CACHEDIR.TAG", ".gitignore", "gate.lock", "turnstile.lock", "collector.lock", "flights.lock", "journal",
    "reserve", "ledger", "counters", "hints",
)


# ---------------------------------------------------------------- errors

class FormatError(ValueError):
    """Bytes on disk that the text tells a reader to refuse: file, field, what was expected, what was found."""

    def __init__(self, field, expected, found, path=None):
        super().__init__(field, expected, found)
        self.field, self.expected, self.found, self.path = field, expected, found, path

    def __str__(self):
        where = f"{shown(self.path)}: " if self.path else ""
        return f"{where}{self.field}: expected {self.expected}, found {self.found}"


class RefusedStore(FormatError):
    """The directory is not a store, or is one that this version of the text does not describe."""


class NoEntry(LookupError):
    """Nothing is filed under the key."""


class MissingPackage(Exception):
    """The file may be sound; this Python has nothing that could tell."""

    def __init__(self, what, packages):
        super().__init__(what, packages)
        self.what, self.packages, self.path = what, packages, None

    def __str__(self):
        where = f"{shown(self.path)}: " if self.path else ""
        return f"{where}{self.what} cannot be read: it needs {self.packages}"


def shown(text):
    """Text from disk on one line of ASCII, so that a name cannot forge a line of a report."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)


def clip(value):
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # TOML can hold integers of any length and tables of any depth
        return f"{type(value).__name__} too large to show"
    return text if len(text) <= 80 else text[:77] + "..."


def need(good, field, expected, found):
    if not good:
        raise FormatError(field, expected, found if isinstance(found, str) else clip(found))


@contextlib.contextmanager
def in_file(path):
    """Adds the file to an error of a parser, which sees only bytes."""
    try:
        yield
    except (FormatError, MissingPackage) as error:
        error.path = error.path or path
        raise


# ---------------------------------------------------------------- names and keys [6]

def check_name(name):
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise FormatError("name", "text that UTF-8 can hold", clip(name)) from None
    need(1 <= size <= NAME_MAX, "name", f"1 to {NAME_MAX} bytes", f"{size} bytes")
    bad = next((c for c in name if unicodedata.category(c) == "Cc"), None)
    need(bad is None, "name", "no control character", bad)


def key_of_name(name):
    """The key of an entry put under `name`."""
    check_name(name)
    return blake3(name.encode("utf-8"), derive_key_context=NAME_CONTEXT).digest()


def is_hex_name(name):
    return len(name) == 2 * DIGEST_SIZE and all(c in "0123456789abcdef" for c in name)


# ---------------------------------------------------------------- ndstash.toml [5.1]

def read_settings(data):
    """The settings with defaults filled in. The version is judged before anything else in the file."""
    need(len(data) <= SETTINGS_MAX, "length", f"at most {SETTINGS_MAX} bytes", f"{len(data)} bytes")
    table = parse_toml(data)
    version = table.get("format")
    need(type(version) is int, "format", "an integer", "nothing" if version is None else clip(version))
    if version != VERSION:
        raise FormatError("format", f"version {VERSION}", f"version {clip(version)}")
    check_settings(table)
    return fill_settings(table)


def parse_toml(data):
    try:
        return tomllib.loads(bytes(data).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError("text", "UTF-8", str(error)) from None
    except ValueError as error:
        raise FormatError("text", "TOML", clip(str(error))) from None
    except RecursionError:
        raise FormatError("text", "TOML", "nesting too deep to parse") from None


def check_settings(table):
    for name, content in table.items():
        if name == "format":
            continue
        need(name in SETTINGS, "settings", "known keys", name)
        need(type(content) is dict, name, "a table", content)
        for key, value in content.items():
            check_setting(name, key, value)
    for feature in table.get("features", {}).get("incompatible", []):
        need(feature in KNOWN_FEATURES, "features.incompatible", "features that this reader knows", feature)


def check_setting(table, key, value):
    field = f"{table}.{clip(key)[1:-1]}"
    need(key in SETTINGS[table], "settings", "known keys", f"{table}.{key}")
    wanted = SETTINGS[table][key]
    need(type(value) is wanted, field, f"type {wanted.__name__}", value)
    if wanted is list:
        need(all(type(item) is str for item in value), field, "strings", value)
    if wanted is int:
        need(0 <= value < BYTES_END, field, "an unsigned integer below 2^63", value)
    if wanted is str:
        need(value in POLICIES, field, f"one of {', '.join(POLICIES)}", value)


def fill_settings(table):
    features = {name: list(table.get("features", {}).get(name, [])) for name in SETTINGS["features"]}
    arrays = {"inline_max": 65536, "inline_total": 262144} | table.get("arrays", {})
    access = {"shared": False} | table.get("access", {})
    limits = {"bytes": None, "entries": None, "age": None, "policy": "lru"} | table.get("limits", {})
    return {"format": table["format"], "features": features, "arrays": arrays, "access": access, "limits": limits}


# ---------------------------------------------------------------- the head of a manifest [5.3]

@dataclass(frozen=True)
class Head:
    codec: int
    key: bytes
    id: bytes
    boot_id: bytes
    body_length: int
    body_digest: bytes
    sequence: int
    created: int  # nanoseconds since 1970
    expires: int | None  # likewise; None is never
    compute_ns: int
    pinned: bool
    blobs: tuple  # of (digest, length)

    @property
    def size(self):
        return HEAD.size + BLOB.size * len(self.blobs) + DIGEST_SIZE


def read_head(data):
    """The head that `data` begins with. The codec is handed on unjudged: a collector must not look at it."""
    least = HEAD.size + DIGEST_SIZE
    need(len(data) >= least, "head", f"at least {least} bytes", f"{len(data)} bytes")
    fields = HEAD.unpack_from(data)
    magic, version, codec, flags, gap, key, id_, boot, length, count, gap2, body_digest, sequence, *times = fields
    need(magic == HEAD_MAGIC, "magic", HEAD_MAGIC.hex(), magic.hex())
    need(version == VERSION, "format version", f"version {VERSION}", f"version {version}")
    need(count <= BLOBS_MAX, "number of blobs", f"at most {BLOBS_MAX}", count)
    check_head_sum(data, HEAD.size + BLOB.size * count)
    need(not any(gap) and not any(gap2), "reserved bytes", "zeros", f"{gap.hex()} and {gap2.hex()}")
    need(flags & ~FLAG_PINNED == 0, "flags", "zeros in reserved bits", f"{flags:#04x}")
    need(length <= BODY_MAX, "length of the body", f"at most {BODY_MAX}", length)
    blobs = tuple(BLOB.iter_unpack(data[HEAD.size:HEAD.size + BLOB.size * count]))
    check_ascending(blobs)
    created, expires, compute_ns = times
    expires = None if expires == NEVER else expires
    pinned = bool(flags & FLAG_PINNED)
    return Head(codec, key, id_, boot, length, body_digest, sequence, created, expires, compute_ns, pinned, blobs)


def check_head_sum(data, end):
    need(len(data) >= end + DIGEST_SIZE, "head", f"{end + DIGEST_SIZE} bytes", f"{len(data)} bytes")
    checksum, sealed = blake3(data[:end]).digest(), bytes(data[end:end + DIGEST_SIZE])
    need(checksum == sealed, "checksum of the head", sealed.hex(), checksum.hex())


def check_ascending(blobs):
    for (left, _), (right, _) in zip(blobs, blobs[1:]):
        need(left < right, "order of blobs", f"a digest above {left.hex()}", right.hex())


# ---------------------------------------------------------------- the codec of a body [5.3]

def unpack_body(raw, codec):
    """The body as MessagePack. What a frame makes of itself is cut off at the limit, not measured afterwards."""
    need(codec in (CODEC_PLAIN, CODEC_ZSTD), "codec", f"{CODEC_PLAIN} or {CODEC_ZSTD}", f"{codec}")
    if codec == CODEC_PLAIN:
        return raw
    # What begins otherwise may still be a frame for a decoder: a skippable one, or one of a time before the RFC.
    need(raw[:4] == ZSTD_MAGIC, "zstd frame, magic", ZSTD_MAGIC.hex(), bytes(raw[:4]).hex())
    with_stdlib = imported("compression.zstd") or imported("backports.zstd")
    if with_stdlib is not None:
        return unzstd_stdlib(with_stdlib, bytes(raw))
    with_package = imported("zstandard")
    if with_package is not None:
        return unzstd_package(with_package, bytes(raw))
    raise MissingPackage("a compressed manifest", "Python 3.14 or `pip install zstandard`")


def imported(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def unzstd_stdlib(zstd, raw):
    """One whole frame by `compression.zstd`, or by its twin for older Pythons."""
    unpacker = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})
    try:
        body = unpacker.decompress(raw, max_length=BODY_MAX + 1)
    except zstd.ZstdError as error:
        raise FormatError("zstd frame", "a frame of RFC 8878 without a dictionary", clip(str(error))) from None
    need(len(body) <= BODY_MAX, "body", f"at most {BODY_MAX} bytes", "more")
    need(unpacker.eof, "zstd frame", "a whole frame", "a part of one")
    need(not unpacker.unused_data, "zstd frame", "nothing behind it", f"{len(unpacker.unused_data)} bytes")
    return body


def unzstd_package(zstd, raw):
    """One whole frame by the package `zstandard`, which takes as much memory as a frame says it needs, or the limit."""
    try:
        size = zstd.get_frame_parameters(raw).content_size
        known = size not in (zstd.CONTENTSIZE_UNKNOWN, zstd.CONTENTSIZE_ERROR)
        need(not known or size <= BODY_MAX, "body", f"at most {BODY_MAX} bytes", f"{size} bytes")
        unpacker = zstd.ZstdDecompressor(max_window_size=1 << ZSTD_WINDOW_LOG)
        return unpacker.decompress(raw, max_output_size=BODY_MAX, allow_extra_data=False)
    except zstd.ZstdError as error:
        raise FormatError("zstd frame", "one frame of RFC 8878 without a dictionary, "
                          f"of at most {BODY_MAX} bytes, and nothing behind it", clip(str(error))) from None


# ---------------------------------------------------------------- MessagePack

class Map:
    """A map as it was written: keys may be any trees and may repeat, and True, 1 and 1.0 are three keys here."""

    def __init__(self, pairs):
        self.pairs = pairs


@dataclass(frozen=True)
class Ref:
    """An extension value: type 1 (array), 2 (byte string) or 3 (sequence) and the index into `arrays`."""

    kind: int
    index: int


@dataclass(frozen=True)
class Tag:
    """What may stand first in a list, and nowhere else: extension type 4."""

    kind: int


class Tagged(list):
    """A list that is more than a list: its items, without the tag."""

    def __init__(self, tag, items):
        super().__init__(items)
        self.name = TAGS[tag.kind]

    def check(self):
        good = {"complex": self.is_complex, "integer": self.is_integer, "some": self.is_some,
                "omitted": self.is_omitted, "scalar": self.is_scalar, "datetime": self.is_moment, "date": self.is_moment,
                "time": self.is_moment, "timedelta": self.is_span, "ticks": self.is_ticks}.get(self.name, lambda: True)
        need(good(), f"a list tagged {self.name}", "items that go with it", clip(list(self)))

    def is_complex(self):
        return len(self) == 2 and all(type(part) is float for part in self)

    def is_integer(self):
        if len(self) != 1 or type(self[0]) is not bytes:
            return False
        value = int.from_bytes(self[0], "little", signed=True)
        # One bit more than the magnitude takes, for the sign.
        shortest = (value if value >= 0 else ~value).bit_length() // 8 + 1
        return len(self[0]) == shortest and not -(1 << 63) <= value < 1 << 64

    def is_some(self):
        return len(self) == 1 and (self[0] is None or isinstance(self[0], Tagged) and self[0].name == "some")

    def is_omitted(self):
        if len(self) != 3 or type(self[0]) is not str or self[0] not in DTYPES or type(self[1]) is not list:
            return False
        return all(type(n) is int and n >= 0 for n in self[1]) and type(self[2]) is bytes and len(self[2]) == 32

    def is_scalar(self):
        if [type(item) for item in self] != [str, bytes] or self[0] not in DTYPES:
            return False
        return len(self[1]) == DTYPES[self[0]][0] and (self[0] != "bool" or self[1][0] < 2)

    def is_moment(self):
        kinds = [type(item) for item in self]
        if kinds != [str] and (kinds != [str, int] or self.name == "date" or self[1] != 1):
            return False
        return time_of(self.name, self[0], len(self) - 1) is not None

    def is_span(self):
        if [type(item) for item in self] != [int, int, int]:
            return False
        return abs(self[0]) <= DAYS_MAX and 0 <= self[1] < 86400 and 0 <= self[2] < 10**6

    def is_ticks(self):
        if [type(item) for item in self] != [str, int] or not -(1 << 63) <= self[1] < 1 << 63:
            return False
        unit = TICKS.fullmatch(self[0])
        return unit is not None and (unit[1] is None or 2 <= int(unit[1]) < 1 << 31)


def time_of(kind, text, fold=0):
    """The date, time of day or both that a text is; None if it is not one in its only form."""
    parts = MOMENTS[kind].fullmatch(text)
    if parts is None:
        return None
    try:
        date = datetime.date(*map(int, parts["date"].split("-"))) if kind != "time" else None
        if kind == "date":
            return date
        hour, minute, second, micro = map(int, f"{parts['clock']}.0".replace(":", ".").split(".")[:4])
        clock = datetime.time(hour, minute, second, micro, zone(parts), fold=fold)
    except ValueError:
        return None
    return clock if date is None else datetime.datetime.combine(date, clock)


def zone(parts):
    """The zone of an offset, or None; ValueError if a part is too large, or zero is behind."""
    if parts["offset"] is None:
        return None
    sign, *numbers = parts["offset"][0], *re.split("[:.]", parts["offset"][1:]), *("0", "0")
    hours, minutes, seconds, micro = map(int, numbers[:4])
    offset = datetime.timedelta(0, 3600 * hours + 60 * minutes + seconds, micro)
    if max(minutes, seconds) > 59 or hours > 23 or (sign == "-" and not offset):
        raise ValueError(parts["offset"])
    return datetime.timezone(-offset if sign == "-" else offset)


def as_python(node, load):
    """The value of a tree: tuples, sets, complex and large numbers as Python has them; `load` turns a Ref into what
    stands for it. A set whose items cannot be hashed stays a list, a map whose keys cannot be a list of pairs."""
    if isinstance(node, Ref):
        return load(node)
    if isinstance(node, Tagged):
        return TAGGED.get(node.name, lambda items: items)([as_python(item, load) for item in node])
    if isinstance(node, list):
        return [as_python(item, load) for item in node]
    if isinstance(node, Map):
        pairs = [(as_python(key, load), as_python(item, load)) for key, item in node.pairs]
        return hashed(dict, pairs)
    return node


def hashed(kind, items):
    try:
        return kind(items)
    except TypeError:
        return items


def number_of(dtype, raw):
    """The number that is one element."""
    return to_list(Array(dtype, (), "C", len(raw), raw, None), raw)


TAGGED = {
    "tuple": tuple,
    "set": lambda items: hashed(set, items),
    "frozenset": lambda items: hashed(frozenset, items),
    "complex": lambda parts: complex(*parts),
    "integer": lambda items: int.from_bytes(items[0], "little", signed=True),
    "some": lambda items: items[0],
    "omitted": tuple,
    "scalar": lambda items: number_of(*items),
    "datetime": lambda items: time_of("datetime", *items),
    "date": lambda items: time_of("date", *items),
    "time": lambda items: time_of("time", *items),
    "timedelta": lambda items: datetime.timedelta(*items),
    "ticks": tuple,
}


class Unpacker:
    """Decodes one value from bytes that nobody vouches for; every count is checked before it is believed."""

    SIZED = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xC7: ">B", 0xC8: ">H", 0xC9: ">I", 0xD9: ">B", 0xDA: ">H",
             0xDB: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
    NUMBERS = {0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
               0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0
        self.seen = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        need(size <= self.left(), f"body at offset {self.at}", f"{size} more bytes", f"{self.left()} bytes")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self, depth=0):
        """One value; `depth` containers are around it."""
        start, value = self.at, self.value_or_tag(depth)
        need(not isinstance(value, Tag), f"tag at offset {start}", "a value", "a tag that does not begin a list")
        return value

    def value_or_tag(self, depth):
        self.seen += 1
        need(self.seen <= VALUES_MAX, "body", f"at most {VALUES_MAX} values", "more")
        start, code = self.at, self.take(1)[0]
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code < 0xC0:
            return self.short(code, depth)
        if code in self.CONSTANTS:
            return self.CONSTANTS[code]
        if code in self.NUMBERS:
            return self.number(self.NUMBERS[code])
        if 0xD4 <= code <= 0xD8:
            return self.extension(1 << (code - 0xD4))
        need(code in self.SIZED, f"body at offset {start}", "a type of section 5.3", self.odd(code))
        return self.sized(code, self.number(self.SIZED[code]), depth)

    @staticmethod
    def odd(code):
        return "a float 32" if code == 0xCA else f"byte {code:#04x}"

    def short(self, code, depth):
        if code >= 0xA0:
            return self.text(code & 0x1F)
        return self.array(code & 0x0F, depth) if code >= 0x90 else self.map(code & 0x0F, depth)

    def sized(self, code, size, depth):
        if code <= 0xC6:
            return self.take(size)
        if code <= 0xC9:
            return self.extension(size)
        if code <= 0xDB:
            return self.text(size)
        return self.array(size, depth) if code <= 0xDD else self.map(size, depth)

    def text(self, size):
        start, raw = self.at, self.take(size)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"string at offset {start}", "UTF-8", clip(raw)) from None

    def extension(self, size):
        start, kind, raw = self.at, self.number(">b"), self.take(size)
        if kind == EXT_TAG:
            need(size == 1 and raw[0] in TAGS, f"tag at offset {start}", "one byte from 1 to 13", raw.hex())
            return Tag(raw[0])
        known = (EXT_ARRAY, EXT_BYTES, EXT_SEQUENCE)
        need(kind in known, f"extension at offset {start}", "type 1 to 4", f"type {kind}")
        need(size == EXT_SIZE, f"extension at offset {start}", f"{EXT_SIZE} bytes", f"{size} bytes")
        return Ref(kind, int.from_bytes(raw, "little"))

    def enter(self, depth, items):
        # An empty container counts as well, and the map of the body is the first.
        need(depth < NESTING_MAX, f"body at offset {self.at}", f"nesting of at most {NESTING_MAX}", "deeper")
        need(items <= self.left(), f"body at offset {self.at}", f"{items} values", f"{self.left()} bytes")

    def array(self, count, depth):
        self.enter(depth, count)
        first = [self.value_or_tag(depth + 1)] if count else []
        rest = [self.value(depth + 1) for _ in range(count - 1)]
        if not (first and isinstance(first[0], Tag)):
            return first + rest
        tagged = Tagged(first[0], rest)
        tagged.check()
        return tagged

    def map(self, count, depth):
        self.enter(depth, 2 * count)
        return Map([(self.value(depth + 1), self.value(depth + 1)) for _ in range(count)])


# ---------------------------------------------------------------- the body of a manifest [5.3]

@dataclass(frozen=True)
class Array:
    dtype: str
    shape: tuple
    order: str
    nbytes: int
    inline: bytes | None  # the bytes, or None
    digest: bytes | None  # the blob, or None


@dataclass(frozen=True)
class Body:
    name: str | None
    encoding: str
    tags: list
    meta: Map
    origin: dict | None
    arrays: list
    value: object


BODY_KEYS = ("name", "encoding", "tags", "meta", "origin", "arrays", "value")
ORIGIN_KEYS = ("namespace", "function", "version", "key", "host", "user")
ARRAY_KEYS = ("dtype", "shape", "order", "data")


def read_body(data, blobs):
    """The body; `blobs` is the list of the head, pairs of digest and length."""
    need(len(data) <= BODY_MAX, "body", f"at most {BODY_MAX} bytes", f"{len(data)} bytes")
    unpacker = Unpacker(data)
    fields = fields_of(unpacker.value(), BODY_KEYS, "body")
    need(unpacker.left() == 0, "body", "one map and no more", f"{unpacker.left()} bytes behind it")
    check_entry_fields(fields)
    fields["arrays"] = [read_array(item, i, blobs) for i, item in enumerate(fields["arrays"])]
    for ref in refs_of(fields["meta"]):
        raise FormatError("meta", "a tree without arrays", clip(ref))
    if fields["origin"] is not None:
        fields["origin"] = read_origin(fields["origin"])
        check_refs("origin.key", fields["origin"]["key"], fields["arrays"])
    check_refs("value", fields["value"], fields["arrays"])
    return Body(**fields)


def read_origin(value):
    fields = fields_of(value, ORIGIN_KEYS, "origin")
    need(type(fields["namespace"]) is str, "origin.namespace", "a string", fields["namespace"])
    for name in ("function", "version", "host", "user"):
        need(fields[name] is None or type(fields[name]) is str, f"origin.{name}", "a string or nil", fields[name])
    return fields


def fields_of(value, names, field):
    """A map with exactly these text keys, as a dict."""
    need(isinstance(value, Map), field, "a map", type(value).__name__)
    odd = [k for k, _ in value.pairs if type(k) is not str or k not in names]
    need(not odd, field, "known keys", odd)
    found = dict(value.pairs)
    need(len(found) == len(value.pairs), field, "keys that differ", [k for k, _ in value.pairs])
    lost = [name for name in names if name not in found]
    need(not lost, field, f"the keys {', '.join(names)}", f"no {', '.join(lost)}")
    return found


def check_entry_fields(fields):
    name, encoding, tags, meta = (fields[key] for key in BODY_KEYS[:4])
    need(name is None or type(name) is str, "name", "a string or nil", name)
    if name is not None:
        check_name(name)
    need(type(encoding) is str and 1 <= len(encoding) <= ENCODING_MAX and ENCODING_CHARS.issuperset(encoding),
         "encoding", f"1 to {ENCODING_MAX} ASCII letters, digits, -, ., _", encoding)
    need(type(tags) is list and all(type(t) is str for t in tags), "tags", "an array of strings", tags)
    need(isinstance(meta, Map), "meta", "a map", type(meta).__name__)
    need(all(type(k) is str for k, _ in meta.pairs), "meta", "keys that are strings", [k for k, _ in meta.pairs])
    need(type(fields["arrays"]) is list, "arrays", "an array", type(fields["arrays"]).__name__)


def read_array(value, index, blobs):
    field = f"arrays[{index}]"
    fields = fields_of(value, ARRAY_KEYS, field)
    dtype, shape, order = fields["dtype"], fields["shape"], fields["order"]
    need(type(dtype) is str and dtype in DTYPES, f"{field}.dtype", "a dtype of section 5.3", dtype)
    need(type(order) is str and order in ("C", "F"), f"{field}.order", "C or F", order)
    size = size_of(shape, DTYPES[dtype][0], f"{field}.shape")
    inline, digest, length = read_data(fields["data"], f"{field}.data", blobs)
    need(length == size, f"{field}.data", f"{size} bytes for shape and dtype", f"{length} bytes")
    return Array(dtype, tuple(shape), order, size, inline, digest)


def size_of(shape, item, field):
    need(type(shape) is list, field, "an array of integers", shape)
    need(len(shape) <= DIMENSIONS_MAX, field, f"at most {DIMENSIONS_MAX} dimensions", f"{len(shape)}")
    need(all(type(n) is int and n >= 0 for n in shape), field, "unsigned integers", shape)
    product = item
    for extent in shape:
        product *= extent or 1
        need(product < BYTES_END, field, "partial products below 2^63", shape)
    return 0 if 0 in shape else product


def read_data(value, field, blobs):
    pairs = value.pairs if isinstance(value, Map) else []
    need(len(pairs) == 1, field, "a map of one pair", f"{len(pairs)} pairs")
    (how, what), = pairs
    need(type(how) is str and how in ("inline", "blob"), field, "inline or blob", how)
    if how == "inline":
        need(type(what) is bytes, field, "binary", type(what).__name__)
        return what, None, len(what)
    need(type(what) is int and 0 <= what < len(blobs), field, f"an index below {len(blobs)}", what)
    digest, length = blobs[what]
    return None, digest, length


def check_bools(data, field):
    odd = bytes(data).translate(None, b"\x00\x01")
    need(not odd, f"{field} (bool)", "bytes 0 and 1", odd[:1].hex())


def refs_of(tree):
    stack = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, Ref):
            yield item
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, Map):
            stack.extend(part for pair in item.pairs for part in pair)


def check_refs(field, tree, arrays):
    for ref in refs_of(tree):
        need(ref.index < len(arrays), field, f"an index below {len(arrays)}", f"{ref.index}")
        array = arrays[ref.index]
        like = ref.kind != EXT_BYTES or (array.dtype, len(array.shape)) == ("uint8", 1)
        need(like, field, f"a byte string of uint8 and one dimension at arrays[{ref.index}]",
             f"{array.dtype} and {len(array.shape)} dimensions")
        if ref.kind == EXT_SEQUENCE:
            rank = len(array.shape)
            need(rank == 1, field, f"a sequence of one dimension at arrays[{ref.index}]", f"{rank} dimensions")


# ---------------------------------------------------------------- a whole manifest

@dataclass(frozen=True)
class Entry:
    head: Head
    body: Body

    @property
    def label(self):
        return self.body.name if self.body.name is not None else self.head.key.hex()

    @property
    def is_plain(self):
        """Whether the tree is the value. If not, the value is not ours to hand out."""
        return self.body.encoding == ENCODING_TREE


def read_manifest_head(data, key):
    """The head of a whole file, with the checks that need the file's length and name."""
    head = read_head(data)
    size = head.size + head.body_length
    need(len(data) == size, "length of the file", f"{size} bytes", f"{len(data)} bytes")
    need(head.key == key, "key", f"{key.hex()} as the file is named", head.key.hex())
    return head


def read_manifest_body(data, head):
    raw = data[head.size:]
    checksum = blake3(raw).digest()
    need(checksum == head.body_digest, "checksum of the body", head.body_digest.hex(), checksum.hex())
    body = read_body(unpack_body(raw, head.codec), head.blobs)
    if body.name is not None:
        derived = key_of_name(body.name)
        need(derived == head.key, "key", f"{derived.hex()}, derived from the name {clip(body.name)}", head.key.hex())
    return Entry(head, body)


# ---------------------------------------------------------------- journal [5.4]

def read_journal(data):
    """The digests of each frame. Anything but whole frames is refused."""
    frames, at = [], 0
    while at < len(data):
        frame, at = read_frame(data, at)
        frames.append(frame)
    return frames


def read_frame(data, at):
    field, left = f"frame at offset {at}", len(data) - at
    need(left >= FRAME_START.size, field, f"at least {FRAME_START.size} bytes", f"{left} bytes")
    magic, count = FRAME_START.unpack_from(data, at)
    need(magic == FRAME_MAGIC, f"{field}, magic", FRAME_MAGIC.hex(), magic.hex())
    need(count <= BLOBS_MAX, f"{field}, number of digests", f"at most {BLOBS_MAX}", count)
    size = FRAME_START.size + count * DIGEST_SIZE
    need(left >= size + DIGEST_SIZE, field, f"{size + DIGEST_SIZE} bytes", f"{left} bytes")
    start, end = at + FRAME_START.size, at + size
    checksum, sealed = blake3(data[at:end]).digest(), bytes(data[end:end + DIGEST_SIZE])
    need(checksum == sealed, f"{field}, checksum", sealed.hex(), checksum.hex())
    return [bytes(data[i:i + DIGEST_SIZE]) for i in range(start, end, DIGEST_SIZE)], end + DIGEST_SIZE


# ---------------------------------------------------------------- ledger [5.6]

def read_ledger(data):
    """The numbers of a ledger. A damaged one is refused here; whoever uses one takes zeros instead."""
    if not data:
        return dict.fromkeys(LEDGER_FIELDS, 0)
    need(len(data) >= LEDGER.size, "length", f"{LEDGER.size} bytes", f"{len(data)} bytes")
    magic, *numbers, sealed = LEDGER.unpack_from(data)
    need(magic == LEDGER_MAGIC, "magic", LEDGER_MAGIC.hex(), magic.hex())
    checksum = blake3(data[:LEDGER.size - len(sealed)]).digest()[:len(sealed)]
    need(checksum == sealed, "checksum", sealed.hex(), checksum.hex())
    return dict(zip(LEDGER_FIELDS, numbers))


# ---------------------------------------------------------------- stamps and marks [5.8]

MARKS_START = struct.Struct("<8s32sQ")
MARK = struct.Struct("<32sQ8sQI")
MARKED_BLOB = struct.Struct("<32sQ")


def slot_of(key, stamps):
    """Which of so many stamps is that of a key."""
    hashed = 0xcbf29ce484222325
    for byte in key:
        hashed = (hashed ^ byte) * 0x100000001b3 % 2**64
    return hashed % stamps


def read_marks(data):
    """The place, and what is remembered of each entry: key, file number, stamp, manifest length, blobs."""
    least = MARKS_START.size + DIGEST_SIZE
    need(len(data) >= least, "length", f"at least {least} bytes", f"{len(data)} bytes")
    content, sealed = data[:-DIGEST_SIZE], data[-DIGEST_SIZE:]
    checksum = blake3(content).digest()
    need(checksum == sealed, "checksum", sealed.hex(), checksum.hex())
    magic, place, count = MARKS_START.unpack_from(content)
    need(magic == b"NDM0\0\0\0\0", "magic", "NDM0 and zeros", magic.hex())
    marks, at = [], MARKS_START.size
    for _ in range(count):
        mark, at = read_mark(content, at)
        need(not marks or marks[-1][0] < mark[0], "key", "keys that ascend", mark[0].hex())
        marks.append(mark)
    need(at == len(content), "length", f"{at} bytes before the checksum", f"{len(content)} bytes")
    return place, marks


def read_mark(data, at):
    need(len(data) - at >= MARK.size, "entry", f"{MARK.size} bytes", f"{len(data) - at} bytes")
    *facts, count = MARK.unpack_from(data, at)
    start, end = at + MARK.size, at + MARK.size + MARKED_BLOB.size * count
    need(count <= BLOBS_MAX, "number of blobs", f"at most {BLOBS_MAX}", count)
    need(end <= len(data), "blobs", f"{end - start} bytes", f"{len(data) - start} bytes")
    return (*facts, [MARKED_BLOB.unpack_from(data, i) for i in range(start, end, MARKED_BLOB.size)]), end


# ---------------------------------------------------------------- hints [5.9]

HINT_CONTEXT = "ndstash 0 hint"
HINT_FROM, HINT_SAMPLE, HINT_PLACES, HINT_BUCKETS, HINT_SLOTS = 4194304, 256, 64, 16384, 8


def hint_of(blob):
    """The hint of a blob; None for one that is too short to have one."""
    if len(blob) < HINT_FROM:
        return None
    last = len(blob) - HINT_SAMPLE
    places = [last // (HINT_PLACES - 1) * i for i in range(HINT_PLACES - 1)] + [last]
    hasher = blake3(struct.pack("<Q", len(blob)), derive_key_context=HINT_CONTEXT)
    for place in places:
        hasher.update(blob[place:place + HINT_SAMPLE])
    return int.from_bytes(hasher.digest()[:8], "little") or 1


def has_hint(table, hint):
    """Whether the file of hints has one."""
    start = hint % HINT_BUCKETS * HINT_SLOTS * 8
    return any(table[at:at + 8] == hint.to_bytes(8, "little") for at in range(start, start + HINT_SLOTS * 8, 8))


# ---------------------------------------------------------------- counters [5.7]

COUNTERS_START = struct.Struct("<4sI8s")
STATS_FIELDS = (
    "hits", "misses", "stale", "damaged", "failures", "refused", "computed_ns", "saved_ns", "new_bytes", "shared_bytes",
)


def read_counters(data):
    """The sums of all frames that are whole."""
    namespaces, hits = {}, {}
    for frame in counter_frames(data):
        for namespace, numbers in frame[0].pairs:
            sums = namespaces.setdefault(namespace, dict.fromkeys(STATS_FIELDS, 0))
            for field, number in zip(STATS_FIELDS, numbers, strict=True):
                sums[field] = min(sums[field] + number, 2**64 - 1)
        for key, number in frame[1].pairs:
            hits[key.hex()] = min(hits.get(key.hex(), 0) + number, 2**64 - 1)
    return {"namespaces": namespaces, "hits": hits}


def counter_frames(data):
    bad = 0
    while (at := data.find(b"NDC0")) >= 0 and bad < 64:
        data = data[at:]
        if (payload := counter_payload(data)) is None:
            data, bad = data[1:], bad + 1
            continue
        yield Unpacker(payload).value()
        data = data[COUNTERS_START.size + len(payload):]


def counter_payload(data):
    """What the frame at the start holds; None if it is not whole."""
    if len(data) < COUNTERS_START.size:
        return None
    _, length, checksum = COUNTERS_START.unpack_from(data)
    payload = data[COUNTERS_START.size:COUNTERS_START.size + length]
    whole = len(payload) == length and blake3(payload).digest()[:len(checksum)] == checksum
    return payload if whole else None


# ---------------------------------------------------------------- elements [5.5]

def flat_values(array, data):
    """The elements in the order in which they lie."""
    size, code, _ = DTYPES[array.dtype]
    need(len(data) == array.nbytes, "array", f"{array.nbytes} bytes", f"{len(data)} bytes")
    numbers = struct.unpack(f"<{len(data) // struct.calcsize('<' + code)}{code}", data)
    if array.dtype == "bool":
        check_bools(data, "array")
        return [n == 1 for n in numbers]
    if array.dtype == "bfloat16":
        return list(struct.unpack(f"<{len(numbers)}f", b"".join(struct.pack("<I", n << 16) for n in numbers)))
    if array.dtype.startswith("complex"):
        return [complex(*pair) for pair in zip(numbers[::2], numbers[1::2])]
    return list(numbers)


def to_list(array, data):
    """Nested lists, the first index outermost, for small arrays; a scalar for shape ()."""
    # Extents before a zero make lists without a byte on disk, so the count of lists is what has to be limited.
    lists = 1
    for extent in array.shape:
        lists *= extent
        if lists > LIST_MAX:
            raise ValueError(f"array of shape {array.shape} is too large for lists")
    return nest(flat_values(array, data), array.shape, element_strides(array), 0)


def element_strides(array):
    """How far apart neighbours along each index lie, counted in elements."""
    strides, step, indices = [0] * len(array.shape), 1, range(len(array.shape))
    for i in (reversed(indices) if array.order == "C" else indices):
        strides[i] = step
        step *= array.shape[i]
    return strides


def nest(values, shape, strides, at):
    if not shape:
        return values[at]
    return [nest(values, shape[1:], strides[1:], at + i * strides[0]) for i in range(shape[0])]


def to_numpy(array, data):
    """A read-only ndarray where numpy is installed; bfloat16 as uint16, because numpy has no such type."""
    import numpy
    flat = numpy.frombuffer(data, dtype=numpy.dtype(DTYPES[array.dtype][2]))
    return flat.reshape(array.shape, order=array.order)


def npy_header(array):
    """Version 1.0: padded so that the data begins at a multiple of 64."""
    shape = "(" + "".join(f"{n}, " for n in array.shape) + ")"
    text = f"{{'descr': '{DTYPES[array.dtype][2]}', 'fortran_order': {array.order == 'F'}, 'shape': {shape}, }}"
    pad = -(10 + len(text) + 1) % 64
    raw = text.encode("ascii") + b" " * pad + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw


# ---------------------------------------------------------------- files

def open_regular(path):
    """A file object of a regular file. A link or a pipe under a name of the store is refused, not followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        fd = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FormatError("kind of file", "a regular file", "a link or socket") from None
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return os.fdopen(fd, "rb")
    os.close(fd)
    raise FormatError("kind of file", "a regular file", "something else")


def read_file(path, limit):
    """All bytes of a file, refused by its length before memory is taken for them."""
    with open_regular(path) as file:
        return read_opened(file, limit)


def read_opened(file, limit):
    size = os.fstat(file.fileno()).st_size
    need(size <= limit, "length of the file", f"at most {limit} bytes", f"{size} bytes")
    return file.read(size + 1)


def is_uncertified(file):
    return stat.S_IMODE(os.fstat(file.fileno()).st_mode) in UNCERTIFIED


def chunks_of(file):
    file.seek(0)
    while piece := file.read(CHUNK):
        yield piece


# ---------------------------------------------------------------- the store

class Store:
    """A store for reading. Raises RefusedStore where the text says that its settings must be refused."""

    def __init__(self, path):
        self.root = os.fspath(path)
        self.settings = self.open_settings()

    def open_settings(self):
        try:
            with in_file("ndstash.toml"):
                return read_settings(read_file(self.path("ndstash.toml"), SETTINGS_MAX))
        except FormatError as error:
            raise RefusedStore(error.field, error.expected, error.found, error.path) from None
        except (FileNotFoundError, NotADirectoryError):
            raise RefusedStore("store", "a directory with ndstash.toml", "none", self.root) from None

    def path(self, *names):
        return os.path.join(self.root, *names)

    @staticmethod
    def place(kind, digest):
        return f"{kind}/{digest.hex()[:2]}/{digest.hex()}"

    def shard(self, kind, shard):
        """Names in a shard, split into (digests, strays)."""
        names = sorted(os.listdir(self.path(kind, shard)))
        ours = [n for n in names if is_hex_name(n) and n.startswith(shard)]
        return [bytes.fromhex(n) for n in ours], sorted(set(names) - set(ours))

    def keys(self):
        for shard in SHARDS:
            # A missing shard is a matter for verify; here it holds no entry.
            with contextlib.suppress(FileNotFoundError):
                yield from self.shard("entries", shard)[0]

    def manifest(self, key):
        """The bytes of a manifest, or NoEntry. One that is damaged and has no certificate is none [8, Deferring]."""
        try:
            with open_regular(self.path(self.place("entries", key))) as file:
                uncertified = is_uncertified(file)
                data = read_opened(file, MANIFEST_MAX)
        except FileNotFoundError:
            raise NoEntry(f"no entry {key.hex()}") from None
        if uncertified:
            try:
                read_manifest_body(data, read_manifest_head(data, key))
            except FormatError as error:
                if error.field != "format version":
                    raise NoEntry(f"no entry {key.hex()}: power was lost before it was on disk") from None
        return data

    def entry(self, key):
        with in_file(self.place("entries", key)):
            data = self.manifest(key)
            return read_manifest_body(data, read_manifest_head(data, key))

    def ledger(self):
        """The numbers of the ledger: zeros for one that is missing, None for one that is damaged."""
        try:
            with open_regular(self.path("ledger")) as file:
                return read_ledger(file.read(LEDGER.size))
        except FileNotFoundError:
            return read_ledger(b"")
        except FormatError:
            return None

    def counters(self):
        """What caches have counted: nothing, where the file is missing."""
        try:
            with open_regular(self.path("counters")) as file:
                return read_counters(file.read())
        except FileNotFoundError:
            return read_counters(b"")

    def find(self, wanted):
        """The key for a name or for 64 hex digits. A name that looks like a key is tried as a name first."""
        with contextlib.suppress(FormatError):
            key = key_of_name(wanted)
            if os.path.lexists(self.path(self.place("entries", key))):
                return key
        if not is_hex_name(wanted):
            raise NoEntry(f"no entry is named {clip(wanted)}")
        return bytes.fromhex(wanted)

    @contextlib.contextmanager
    def opened(self, key):
        """An entry with all its blobs open [8, Reading]: yields (entry, {digest: file})."""
        for _ in range(READ_TRIES):
            entry = self.entry(key)
            with contextlib.ExitStack() as stack:
                files, lost = self.open_blobs(entry.head, stack)
                if lost is None:
                    yield entry, files
                    return
            if self.entry(key).head.id == entry.head.id:
                raise FormatError(f"blob {lost.hex()}", "to be there", "nothing: a miss", self.place("entries", key))
        raise FormatError("entry", "to stay for one reading", "a new one each time", self.place("entries", key))

    def open_blobs(self, head, stack):
        files = {}
        for digest, length in head.blobs:
            place = self.place("blobs", digest)
            try:
                with in_file(place):
                    files[digest] = stack.enter_context(open_regular(self.path(place)))
                    size = os.fstat(files[digest].fileno()).st_size
                    # Which boot this is, is not looked at: what has no certificate is hashed in any case.
                    if is_uncertified(files[digest]) and not self.is_right(files[digest], digest, length):
                        return files, digest
                    need(size == length, "length of the file", f"{length} bytes", f"{size} bytes")
            except FileNotFoundError:
                return files, digest
        return files, None

    @staticmethod
    def is_right(file, digest, length):
        hasher, size = blake3(), 0
        for piece in chunks_of(file):
            hasher.update(piece)
            size += len(piece)
        return (hasher.digest(), size) == (digest, length)

    def pieces(self, array, files):
        """The bytes of an array piece by piece; a wrong digest is raised after the last piece."""
        if array.inline is not None:
            if array.dtype == "bool":
                check_bools(array.inline, "array")
            yield array.inline
            return
        hasher = blake3()
        with in_file(self.place("blobs", array.digest)):
            for piece in chunks_of(files[array.digest]):
                if array.dtype == "bool":
                    check_bools(piece, "array")
                hasher.update(piece)
                yield piece
            need(hasher.digest() == array.digest, "digest", array.digest.hex(), hasher.hexdigest())

    def array_bytes(self, array, files):
        """The bytes of an array, hashed if they lie in a blob."""
        return b"".join(self.pieces(array, files))


# ---------------------------------------------------------------- trees as JSON, paths

def as_json(node, arrays):
    """What JSON cannot say becomes a map with one key that begins with $; a map with such keys, with keys that are
    no text, or with one key twice is spelled as pairs."""
    if isinstance(node, Ref):
        name = {EXT_ARRAY: "$array", EXT_BYTES: "$bytes", EXT_SEQUENCE: "$sequence"}[node.kind]
        return {name: array_facts(arrays[node.index])}
    if isinstance(node, Tagged):
        return {f"${node.name}": [as_json(item, arrays) for item in node]}
    if isinstance(node, list):
        return [as_json(item, arrays) for item in node]
    if isinstance(node, bytes):
        return {"$binary": node.hex()}
    if isinstance(node, complex):
        return {"$complex": [as_json(node.real, arrays), as_json(node.imag, arrays)]}
    if isinstance(node, float) and not math.isfinite(node):
        return {"$float": str(node)}
    return map_as_json(node, arrays) if isinstance(node, Map) else node


def map_as_json(node, arrays):
    pairs = [(as_json(k, arrays), as_json(v, arrays)) for k, v in node.pairs]
    plain = all(type(k) is str and not k.startswith("$") for k, _ in pairs)
    if plain and len({k for k, _ in pairs}) == len(pairs):
        return dict(pairs)
    return {"$map": [list(pair) for pair in pairs]}


def array_facts(array):
    facts = {"dtype": array.dtype, "shape": list(array.shape), "order": array.order}
    where = {"inline": True} if array.inline is not None else {"digest": array.digest.hex()}
    return facts | where | {"bytes": array.nbytes}


def walk(node, path=()):
    """(path, Ref) for every array of a tree, in the order of the tree."""
    if isinstance(node, Ref):
        yield "/".join(path), node
    elif isinstance(node, list):
        for i, item in enumerate(node):
            yield from walk(item, (*path, str(i)))
    elif isinstance(node, Map):
        for i, (key, item) in enumerate(node.pairs):
            yield from walk(key, (*path, f"$key {i}"))
            yield from walk(item, (*path, path_part(key, i)))


def path_part(key, place):
    """A key as part of a path; one that holds arrays by its place in the map."""
    if type(key) is str:
        return key
    return f"${place}" if any(refs_of(key)) else json.dumps(as_json(key, []), sort_keys=True)


def entry_json(entry):
    body, head = entry.body, entry.head
    value = {"value": as_json(body.value, body.arrays)} if entry.is_plain else {}
    return {
        "key": head.key.hex(),
        "name": body.name,
        "id": head.id.hex(),
        "encoding": body.encoding,
        "sequence": head.sequence,
        "created": head.created,
        "expires": head.expires,
        "compute_ns": head.compute_ns,
        "pinned": head.pinned,
        "tags": body.tags,
        "meta": map_as_json(body.meta, body.arrays),
        "origin": origin_json(body),
    } | value


def origin_json(body):
    origin = body.origin
    return None if origin is None else origin | {"key": as_json(origin["key"], body.arrays)}


# ---------------------------------------------------------------- verify

class Verifier:
    """Judges a store. `problem` lines are damage; `note` lines are states that sections 4 and 9 call harmless."""

    def __init__(self, store):
        self.store = store
        self.named = {}  # digest: [(key, id, length)]
        self.bools = {}  # digest: a key whose entry reads it as bool
        self.sizes = {}  # digest: size of the file that was found
        self.garbage = [0, 0]

    def run(self):
        yield from self.entries()
        yield from self.blobs()
        yield from self.missing()
        yield from self.journal()
        yield from self.ledger()
        for shard in SHARDS:
            yield from self.guarded(self.judge_marks, shard, f"marks/{shard}")
        yield from self.leftovers()

    def shards(self, kind, judge):
        for shard in SHARDS:
            try:
                ours, strays = self.store.shard(kind, shard)
            except OSError as error:
                yield "problem", f"{kind}/{shard}: expected a directory, found {error.strerror}"
                continue
            for name in strays:
                yield "note", f"{kind}/{shard}/{shown(name)}: stray"
            for digest in ours:
                yield from self.guarded(judge, digest, self.store.place(kind, digest))

    @staticmethod
    def guarded(judge, digest, place):
        try:
            with in_file(place):
                yield from judge(digest, place)
        except FormatError as error:
            yield "problem", str(error)
        except (NoEntry, FileNotFoundError):
            pass  # removed by somebody since the listing
        except OSError as error:
            yield "problem", f"{place}: expected a readable file, found {error.strerror}"

    def entries(self):
        yield from self.shards("entries", self.judge_entry)

    def judge_entry(self, key, _place):
        data = self.store.manifest(key)
        head = read_manifest_head(data, key)
        # Blobs are noted before the body is judged: a head alone keeps them alive.
        for digest, length in head.blobs:
            self.named.setdefault(digest, []).append((key, head.id, length))
        entry = read_manifest_body(data, head)
        for i, array in enumerate(entry.body.arrays):
            if array.dtype == "bool" and array.digest is not None:
                self.bools[array.digest] = key
            elif array.dtype == "bool":
                check_bools(array.inline, f"arrays[{i}]")
        return iter(())

    def blobs(self):
        yield from self.shards("blobs", self.judge_blob)
        count, size = self.garbage
        if count:
            yield "note", f"blobs: {count} garbage blobs of {size} bytes"

    def judge_blob(self, digest, place):
        # Something under the name is damage of its own kind, reported here and not as missing.
        self.sizes[digest] = None
        try:
            file = open_regular(self.store.path(place))
        except FileNotFoundError:
            del self.sizes[digest]
            raise
        with file:
            facts = os.fstat(file.fileno())
            self.sizes[digest] = facts.st_size
            self.count_garbage(digest, facts.st_size)
            yield from self.hash_blob(digest, place, file)
        if stat.S_IMODE(facts.st_mode) == UNCERTIFIED[0] and facts.st_mtime_ns == BLOB_TIME_NS:
            yield "note", f"{place}: not known to be on disk"
        elif stat.S_IMODE(facts.st_mode) != BLOB_MODE or facts.st_mtime_ns != BLOB_TIME_NS:
            yield "note", f"{place}: suspect: expected mode 0444 and time {BLOB_TIME_NS} ns, " \
                          f"found {stat.S_IMODE(facts.st_mode):04o} and {facts.st_mtime_ns} ns"

    def count_garbage(self, digest, size):
        if digest not in self.named:
            self.garbage[0] += 1
            self.garbage[1] += size

    def hash_blob(self, digest, place, file):
        hasher, odd = blake3(), False
        for piece in chunks_of(file):
            hasher.update(piece)
            odd = odd or (digest in self.bools and bool(piece.translate(None, b"\x00\x01")))
        if hasher.digest() != digest:
            yield "problem", f"{place}: digest: expected {digest.hex()}, found {hasher.hexdigest()}"
        if odd:
            entry = self.store.place("entries", self.bools[digest])
            yield "problem", f"{place}: elements: expected bytes 0 and 1 for the bool array of {entry}, found others"

    def missing(self):
        for digest, claims in sorted(self.named.items()):
            for key, id_, length in claims:
                yield from self.judge_claim(digest, key, id_, length)

    def judge_claim(self, digest, key, id_, length):
        entry, blob = self.store.place("entries", key), self.store.place("blobs", digest)
        if digest not in self.sizes:
            if self.still_there(key, id_):
                yield "problem", f"{entry}: blob: expected {blob}, found no such file"
        elif self.sizes[digest] not in (None, length):
            yield "problem", f"{blob}: length: expected {length} bytes as {entry} says, found {self.sizes[digest]}"

    def still_there(self, key, id_):
        """Whether the entry is the one that was read; else a collector may have taken its blobs rightly."""
        try:
            return read_head(self.store.manifest(key)).id == id_
        except NoEntry:
            return False
        except (FormatError, OSError):
            return True

    def journal(self):
        return self.guarded(self.judge_journal, None, "journal")

    def judge_journal(self, _digest, place):
        frames = read_journal(read_file(self.store.path(place), JOURNAL_MAX))
        count = sum(map(len, frames))
        yield "note", f"{place}: {len(frames)} frames, {count} digests: a collector runs or died"

    def ledger(self):
        if self.store.ledger() is None:
            yield "note", "ledger: damaged: the next put begins a new one"

    def judge_marks(self, shard, place):
        try:
            _, marks = read_marks(read_file(self.store.path(place), MARKS_MAX))
        except FormatError:
            yield "note", f"{place}: damaged: the next collector reads all entries of the shard"
            return
        for key, *_ in marks:
            need(key[:1] == bytes.fromhex(shard), "key", f"one that begins with {shard}", key.hex())

    def leftovers(self):
        for name in sorted(os.listdir(self.store.root)):
            if name not in FILES and name not in DIRECTORIES:
                yield "note", f"{shown(name)}: unknown name"
        for kind in ("blobs", "entries", "keylocks", "marks"):
            yield from self.listing(kind, "unknown name", skip=SHARDS.__contains__)
        yield from self.listing("flights", "unknown name", skip=is_hex_name)
        yield from self.listing("tmp", "private files of a live process, or left by a dead one")
        yield from self.listing("trash", "left by a collector")
        yield from self.listing("quarantine", "kept for people")

    def listing(self, name, what, skip=lambda _: False):
        try:
            found = sorted(item for item in os.listdir(self.store.path(name)) if not skip(item))
        except FileNotFoundError:
            yield "note", f"{name}: expected a directory, found nothing"
            return
        except OSError as error:
            yield "problem", f"{name}: expected a directory, found {error.strerror}"
            return
        for item in found:
            yield "note", f"{name}/{shown(item)}: {what}"


# ---------------------------------------------------------------- commands

def each_entry(store, status):
    """Every readable entry; the others are named on stderr and make the exit code 1."""
    for key in store.keys():
        try:
            yield store.entry(key)
        except NoEntry:
            continue
        except (FormatError, OSError) as error:
            complain(error)
            status.append(1)


def complain(error):
    print(f"read_store: {error}", file=sys.stderr)


def command_list(store, args):
    status = [0]
    facts = [entry_json(entry) for entry in each_entry(store, status)]
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        for item in facts:
            print_entry(item)
    return max(status)


def print_entry(item):
    name = json.dumps(item["name"]) if item["name"] is not None else "(no name)"
    print(f"{item['key']}  {name}")
    for field, content in item.items():
        if field in ("created", "expires") and content is not None:
            print(f"  {field:<10} {moment(content)} ({content} ns)")
        elif field not in ("key", "name"):
            print(f"  {field:<10} {json.dumps(content)}")


def moment(ns):
    return f"{datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // 10**9):%Y-%m-%dT%H:%M:%SZ}"


def command_about(store, _args):
    print(json.dumps({"settings": store.settings, "ledger": store.ledger(), "counters": store.counters()}, indent=2))
    return 0


def command_show(store, args):
    with store.opened(store.find(args.entry)) as (entry, files):
        item = entry_json(entry)
        item["boot_id"] = entry.head.boot_id.hex()
        item["blobs"] = [{"digest": d.hex(), "bytes": n} for d, n in entry.head.blobs]
        item["elements"] = dict(small_elements(store, entry, files)) if entry.is_plain else {}
    if args.json:
        print(json.dumps(item, indent=2))
    else:
        print_entry(item)
    return 0


def small_elements(store, entry, files):
    """Nested lists of the arrays that a person can take in at a glance."""
    for path, ref in walk(entry.body.value):
        array = entry.body.arrays[ref.index]
        if math.prod(n or 1 for n in array.shape) <= SHOW_MAX:
            yield path, as_json(to_list(array, store.array_bytes(array, files)), [])


def command_verify(store, _args):
    bad = False
    for kind, text in Verifier(store).run():
        # Notes go elsewhere, so that stdout has one line per problem and is empty for a sound store.
        print(f"{kind}: {text}", file=sys.stdout if kind == "problem" else sys.stderr)
        bad = bad or kind == "problem"
    return int(bad)


def command_export(store, args):
    with store.opened(store.find(args.entry)) as (entry, files):
        with in_file(store.place("entries", entry.head.key)):
            need(entry.is_plain, "encoding", ENCODING_TREE, entry.body.encoding)
        os.makedirs(args.directory, exist_ok=True)
        index = {}
        for path, ref in walk(entry.body.value):
            index.setdefault((ref.index, ref.kind), []).append(path)
        listing = [export_one(store, entry, files, args.directory, ref, paths) for ref, paths in index.items()]
    with open(os.path.join(args.directory, "index.json"), "x", encoding="ascii") as file:
        json.dump({"key": entry.head.key.hex(), "name": entry.body.name, "files": listing}, file, indent=2)
    return 0


def export_one(store, entry, files, directory, ref, paths):
    """Writes one file. Its name is the index alone: no string of a manifest may become a path [7]."""
    index, kind = ref
    array = entry.body.arrays[index]
    name = f"{index:06d}.bin" if kind == EXT_BYTES else f"{index:06d}.npy"
    write_new(os.path.join(directory, name), export_pieces(store, array, files, kind))
    facts = {"file": name, "paths": paths} | array_facts(array)
    if kind != EXT_BYTES and array.dtype == "bfloat16":
        facts["note"] = "bfloat16 written as <u2: the upper half of each float32"
    line = f"{name}  {array.dtype} {list(array.shape)} {array.order}  {json.dumps(paths)}"
    print(f"{line}  {facts['note']}" if "note" in facts else line)
    return facts


def export_pieces(store, array, files, kind):
    if kind != EXT_BYTES:
        yield npy_header(array)
    yield from store.pieces(array, files)


def write_new(path, pieces):
    with open(path, "xb") as file:
        try:
            for piece in pieces:
                file.write(piece)
        except BaseException:
            os.unlink(path)  # bytes that failed their digest must not look like an export
            raise


def command_digest(store, _args):
    result, status = {}, 0
    for key in store.keys():
        try:
            with store.opened(key) as (entry, files):
                put_new(result, entry.label, entry_digests(store, entry, files), "store")
        except NoEntry:
            continue
        except (FormatError, OSError) as error:
            complain(error)
            status = 1
    print(json.dumps(result, indent=2, sort_keys=True))
    return status


def entry_digests(store, entry, files):
    paths, done = {}, {}
    for path, ref in walk(entry.body.value):
        if ref.index not in done:
            done[ref.index] = array_digest(store, entry.body.arrays[ref.index], files)
        with in_file(store.place("entries", entry.head.key)):
            put_new(paths, path, done[ref.index], "value")
    return paths


def array_digest(store, array, files):
    hasher = blake3()
    for piece in store.pieces(array, files):
        hasher.update(piece)
    return {"dtype": array.dtype, "shape": list(array.shape), "order": array.order, "digest": hasher.hexdigest()}


def put_new(table, key, value, field):
    """Map keys with slashes can give two arrays one path; better no comparison than one with the wrong array."""
    need(key not in table, field, "labels that differ", f"{clip(key)} twice")
    table[key] = value


# ---------------------------------------------------------------- main

def parser():
    top = argparse.ArgumentParser(prog="read_store.py", description="Independent reader of an ndstash store.")
    top.add_argument("store")
    commands = top.add_subparsers(dest="command", required=True)
    about = commands.add_parser("about", help="settings, ledger and counters, as JSON")
    about.set_defaults(run=command_about)
    listing = commands.add_parser("list", help="every entry")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=command_list)
    show = commands.add_parser("show", help="one entry, with the elements of small arrays")
    show.add_argument("entry", help="a name, or 64 hex digits of a key (a name of that look is tried first)")
    show.add_argument("--json", action="store_true")
    show.set_defaults(run=command_show)
    verify = commands.add_parser("verify", help="problems to stdout, harmless notes to stderr; 0 sound, 1 problems")
    verify.set_defaults(run=command_verify)
    export = commands.add_parser("export", help="arrays as .npy, byte strings as .bin, index.json")
    export.add_argument("entry")
    export.add_argument("directory")
    export.set_defaults(run=command_export)
    digest = commands.add_parser("digest", help="BLAKE3 of every array's bytes, as JSON")
    digest.set_defaults(run=command_digest)
    return top


def main(argv=None):
    """Exit code: 0 fine, 1 found problems or no such entry, 2 failed or refused the store."""
    args = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        code = args.run(Store(args.store), args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RefusedStore as error:
        complain(error)
        return 2
    except (FormatError, NoEntry) as error:
        complain(error)
        return 1
    except (MissingPackage, OSError) as error:
        complain(error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
