#!/usr/bin/env python3
"""Fails when a source file reaches up: imports only point down, and effects stay in their rooms.

The table below is the rule. A room is a module at the root of the crate, with all that lies beneath it. Names that
lib.rs re-exports count as the module they come from. `--self-test` plants violations and looks whether they are found.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

# From the bottom up. A room may use every room of the layers below its own, and itself.
LAYERS = [
    "error digest dtype fork layout format key threads",  # pure: bytes in, bytes out
    "disk mem",  # effects: the file system, mapped memory
    "store callkey",  # meaning: blobs and manifests; keys of calls
    "gc",  # policy: which blobs stay
    "evict",  # policy: which entries stay; a put over the limit calls it
    "value",  # meaning: values and arrays as blobs and manifests
    "cache usage verify doctor merge explain",  # policy: what people ask for
    "lib",  # re-exports
    "cli bin",  # the program: sees the public API
]
# Besides, within a layer. A room, or one item of it.
SIDEWAYS = {
    "error": ["digest"],
    "digest": ["error", "threads"],
    "disk": ["mem::start_writeback"],
    "threads": ["fork"],
    "dtype": ["error"],
    "key": ["digest", "error"],
    "layout": ["digest", "key"],
    "format": ["digest", "dtype", "error", "key"],
}
# What only some rooms may use at all, wherever the name turns up in the code.
FENCES = {
    "unsafe": ["mem"],
    "memmap2": ["mem"],
    "std::fs": ["disk", "mem", "cli"],
    "std::os::unix::fs": ["disk", "cli"],
    "rustix": ["disk", "mem", "cli"],
    "fs2": ["disk", "cli"],
    "nix": ["disk"],
    "walkdir": ["disk", "cli"],
    "println": [],
    "eprintln": [],
}
# Tests that compare with files of the project, not of a store.
PROJECT_FILES = ["format/vectors.rs", "callkey/vectors.rs"]
# The type of a file that `disk` opened may be named, and nothing of it called.
OPENED = "std::fs::File"
# A program may promise that maps are safe: the one thing that users of the library need `unsafe` for.
PROMISE = "unsafe { MapPolicy :: trusted ( ) }".split()

LAYER_OF = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms.split()}
TOKEN = re.compile(
    r"""
    (?P<skip> \s+ | //[^\n]* )
  | (?P<text> b?r(?P<hashes>\#*)".*?"(?P=hashes) | [bc]?"(?:\\.|[^"\\])*" | b?'(?:\\.[^']*|[^'\\])' )
  | (?P<life> '\w+ )
  | (?P<word> (?:r\#)?\w+ )
  | (?P<mark> :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Path_:
    """A path as the source has it: where it stands, in which inline modules, and its segments."""

    line: int
    inline: tuple
    segments: tuple


def tokens(source):
    """Yields (line, token) without comments and literals. Block comments nest."""
    at, line = 0, 1
    while at < len(source):
        start = at
        if source.startswith("/*", at):
            at = end_of_comment(source, at)
        else:
            match = TOKEN.match(source, at)
            at = match.end()
            if match["word"] or match["mark"]:
                yield line, match[0]
        line += source.count("\n", start, at)


def end_of_comment(source, at):
    depth = 0
    for mark in re.finditer(r"/\*|\*/", source[at:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return at + mark.end()
    return len(source)


def paths(source):
    """Every path in the code, trees of `use` spelled out."""
    found, inline, depth, at = [], [], 0, 0
    stream = list(tokens(source))
    words = [word for _, word in stream]
    while at < len(stream):
        line, word = stream[at]
        if word == "mod" and words[at + 2 : at + 3] == ["{"]:
            inline.append((depth, words[at + 1]))
            at += 2
        elif word == "{":
            depth, at = depth + 1, at + 1
        elif word == "}":
            depth, at = depth - 1, at + 1
            if inline and inline[-1][0] == depth:
                inline.pop()
        elif words[at : at + len(PROMISE)] == PROMISE:
            found.append(Path_(line, (), ("unsafe", "promise")))
            at += len(PROMISE)
        elif is_word(word):
            at, tree = read_tree(words, at, ())
            modules = tuple(name for _, name in inline)
            found += [Path_(line, modules, segments) for segments in tree]
        else:
            at += 1
    return found


def is_word(token):
    return token[0].isalnum() or token[0] == "_"


def read_tree(words, at, before):
    """Reads a path, or a tree of them, from a word, a star or a brace on. Returns where it ends and all its paths."""
    if words[at] == "{":
        at, found = at + 1, []
        while at < len(words) and words[at] != "}":
            if words[at] == ",":
                at += 1
                continue
            at, tree = read_tree(words, at, before)
            found += tree
        return at + 1, found
    path = (*before, words[at].removeprefix("r#"))
    at += 1
    if words[at : at + 1] == ["as"] and path[-1] in ("crate", "self", "super"):
        path = (*path, "*")  # another name for a module hides what is used of it
    if words[at : at + 1] == ["as"] and before:
        return at + 2, [path]
    if words[at : at + 1] == ["::"] and (words[at + 1] in ("{", "*") or is_word(words[at + 1])):
        return read_tree(words, at + 1, path)
    return at, [path]


def re_exports(lib):
    """Where the names at the root of the crate come from: name -> path below the root."""
    return {path.segments[-1]: path.segments for path in paths(lib) if len(path.segments) > 1 and path.segments[0] in LAYER_OF}


def room_of(file):
    """The room of a file and its module path, from its path below src."""
    parts = list(file.with_suffix("").parts)
    if parts[-1] == "mod":
        parts.pop()
    return parts[0], parts


def below_root(path, module, exports):
    """The path below the root of the crate, or None if it leads elsewhere."""
    segments, base = list(path.segments), [*module, *path.inline]
    if len(segments) == 1:
        return None  # as in `pub(crate)`
    if segments[0] == "crate":
        base, segments = [], segments[1:]
    elif segments[0] in ("super", "self"):
        while segments and segments[0] in ("super", "self"):
            if segments.pop(0) == "super":
                base = base[:-1]
    else:
        return None
    whole = base + segments
    if whole and not base and whole[0] in exports and whole[0] not in LAYER_OF:
        whole = [*exports[whole[0]], *whole[1:]]
    return whole or ["*"]


def may_use(room, target):
    """Whether a room may use what stands at a path below the root."""
    if target[0] == room:
        return True
    if target[0] not in LAYER_OF:
        return False
    if LAYER_OF[target[0]] < LAYER_OF[room]:
        return True
    allowed = (rule.split("::") for rule in SIDEWAYS.get(room, []))
    return any(target[: len(rule)] == rule for rule in allowed)


def fence_of(path):
    """The fenced name that a path begins with."""
    text = "::".join(path.segments)
    return next((name for name in FENCES if text == name or text.startswith(f"{name}::")), None)


def faults_in_file(file, source, exports):
    room, module = room_of(file)
    if room not in LAYER_OF:
        yield 1, f"room {room!r} is not in the table of tools/layers.py"
        return
    for path in paths(source):
        text = "::".join(path.segments)
        fence = fence_of(path)
        program = room in ("cli", "bin")
        if program and path.segments == ("unsafe", "promise"):
            continue
        if fence == "std::fs" and Path(file).as_posix() in PROJECT_FILES:
            continue
        if fence and room not in FENCES[fence] and text != OPENED:
            yield path.line, f"{text} in {room}: only {' and '.join(FENCES[fence]) or 'nobody'} may"
        if path.segments[0] == "File" and len(path.segments) > 1 and room not in FENCES["std::fs"]:
            yield path.line, f"{text} in {room}: only disk opens files"
        if program:
            if path.segments[:2] == ("ndstash", "seam"):
                yield path.line, f"{text} in {room}: the seam is for tests"
            target = below_root(path, module, exports)
            if target and target[0] != room:
                yield path.line, f"{text} in {room}: a program uses the public API, by the name of the crate"
            continue
        if room == "lib":
            if path.segments[0] in ("fn", "impl", "trait", "enum", "static"):
                yield path.line, f"{text} in lib: only modules and re-exports"
            continue
        if path.segments[0] == "ndstash":
            yield path.line, f"{text} in {room}: the crate does not use itself from outside"
            continue
        target = below_root(path, module, exports)
        if target and not may_use(room, target):
            yield path.line, f"{room} (layer {LAYER_OF[room]}) may not use {'::'.join(target)}"


def faults(sources):
    """Every violation in a crate, given as {path below src: source}, in order."""
    exports = re_exports(sources.get(Path("lib.rs"), ""))
    for file in sorted(sources):
        for line, fault in faults_in_file(file, sources[file], exports):
            yield f"src/{file}:{line}: {fault}"


LIB = """mod gc; pub use gc::{GcOptions, Journal}; pub use store::Store; pub use format::body::Order;
pub use evict::CullOptions; pub use usage::Usage;"""
# Each must be found: file, source, what the message must say.
PLANTED = [
    ("error.rs", "use crate::store::Store;", "error (layer 0) may not use store::Store"),
    ("digest.rs", "use crate::format::head;", "may not use format"),
    ("dtype.rs", "use crate::digest::Digest;", "may not use digest"),
    ("key.rs", "use crate::layout;", "may not use layout"),
    ("layout.rs", "use crate::error::Error;", "may not use error"),
    ("format/head.rs", "use crate::layout;", "may not use layout"),
    ("format/head.rs", "fn f() { crate::disk::read() }", "may not use disk::read"),
    ("disk/mod.rs", "use crate::{error::Error, mem::Mapping};", "may not use mem::Mapping"),
    ("disk/mod.rs", "use crate::Store;", "may not use store::Store"),
    ("mem.rs", "use crate::Order; use super::gc;", "may not use gc"),
    ("store/create.rs", "use crate::gc;", "store (layer 2) may not use gc"),
    ("store/create.rs", "use crate::GcOptions;", "may not use gc::GcOptions"),
    ("store/create.rs", "use super::super::value::Entry;", "may not use value::Entry"),
    ("store/mod.rs", "mod tests { mod deep { use super::super::super::value::Entry; } }", "may not use value::Entry"),
    ("store/mod.rs", "use crate::*;", "may not use *"),
    ("store/mod.rs", "use crate as root;", "may not use *"),
    ("store/mod.rs", "type T = Vec<crate::value::Entry>;", "may not use value::Entry"),
    ("store/mod.rs", "use ndstash::Store;", "does not use itself"),
    ("gc/mod.rs", "use crate::verify::Problem;", "may not use verify::Problem"),
    ("gc/mod.rs", "use crate::CullOptions;", "may not use evict::CullOptions"),
    ("verify/mod.rs", "use crate::usage;", "may not use usage"),
    ("verify/mod.rs", "use crate::Usage;", "may not use usage::Usage"),
    ("attic.rs", "", "not in the table"),
    ("lib.rs", "fn f() {}", "only modules and re-exports"),
    ("cli/mod.rs", "use ndstash::seam::Seam;", "the seam is for tests"),
    ("gc/mod.rs", "fn f() { unsafe { g() } }", "unsafe in gc"),
    ("cli/mod.rs", "unsafe fn f() {}", "unsafe in cli"),
    ("cli/mod.rs", "use crate::store::Manifest;", "uses the public API"),
    ("bin/ndstash.rs", "use ndstash::seam::Seam;", "the seam is for tests"),
    ("value/mod.rs", "fn f() { unsafe { MapPolicy::trusted() } }", "unsafe::promise in value"),
    ("cli/mod.rs", "fn f() { unsafe { MapPolicy::trusted(); g() } }", "unsafe in cli"),
    ("gc/mod.rs", "use std::{fs, io};", "std::fs in gc"),
    ("gc/mod.rs", "use std::fs::{self, File};", "std::fs::self in gc"),
    ("value/mod.rs", "fn f() { std::fs::read(p) }", "std::fs::read in value"),
    ("value/mod.rs", "type File = std::fs::File;\n\nfn f() { File::open(p) }", "src/value/mod.rs:3: File::open in value"),
    ("disk/mod.rs", "use memmap2::Mmap;", "memmap2::Mmap in disk"),
    ("store/mod.rs", "/* a /* b */ c */ use memmap2::Mmap;", "memmap2::Mmap in store"),
    ("usage.rs", "use rustix::fs::fsync;", "rustix::fs::fsync in usage"),
    ("doctor.rs", "fn f() { println!() }", "println in doctor"),
]
# None of these may be.
CLEAN = [
    ("error.rs", "use crate::digest::Digest; mod tests { use super::*; }"),
    ("format/head.rs", "use super::wire::Wire; use crate::{digest::Digest, key::Key}; use super::FORMAT_VERSION;"),
    ("store/create.rs", "// use crate::gc;\n/* use crate::gc; */ /// [`crate::gc`]\nconst A: &str = \"crate::gc::x\";"),
    ("store/create.rs", "const A: char = '\"'; use crate::disk; const B: &str = r#\"\" crate::gc::x\"#; fn f<'a>(c: &'a u8) {}"),
    ("store/mod.rs", "#![deny(unsafe_code)] use super::store::edit; type File = std::fs::File; use crate::Order;"),
    ("store/mod.rs", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::store) fn h() {}"),
    ("value/mod.rs", "use crate::store::Store; use std::io; use super::mem; fn f(file: &std::fs::File) {}"),
    ("verify/mod.rs", "use crate::gc::Journal; use crate::Journal as J;"),
    ("mem.rs", "use std::fs::File; use memmap2::Mmap; fn f() { unsafe { File::open(p) } }"),
    ("cli/put.rs", "use crate::cli::app; use super::x; use ndstash::Store; fn f() { std::fs::read(p) }"),
    ("cli/mod.rs", "fn f() { unsafe { MapPolicy::trusted() } }"),
]


def self_test():
    wrong = []
    for file, source, expected in PLANTED:
        found = list(faults({Path("lib.rs"): LIB, Path(file): source}))
        if len(found) != 1 or expected not in found[0]:
            wrong.append(f"planted in {file}: {source!r}: expected one fault with {expected!r}, found {found}")
    for file, source in CLEAN:
        found = list(faults({Path("lib.rs"): LIB, Path(file): source}))
        wrong += [f"clean {file}: {source!r}: found {fault}" for fault in found]
    for line in wrong:
        print(line)
    if not wrong:
        print(f"layers.py: {len(PLANTED)} planted violations found, {len(CLEAN)} clean sources passed")
    return not wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    src = Path(__file__).resolve().parent.parent / "src"
    sources = {file.relative_to(src): file.read_text(encoding="utf-8") for file in src.rglob("*.rs")}
    found = list(faults(sources))
    for fault in found:
        print(fault)
    if not found:
        print(f"layers.py: {len(sources)} files, imports point down and effects stay in their rooms")
    return bool(sources) and not found


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
