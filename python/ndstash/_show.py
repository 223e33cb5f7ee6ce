"""How things look to people: sizes, and tables in notebooks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ndstash._core import Info
from ndstash._times import moment

if TYPE_CHECKING:
    from ndstash._stats import Stats

ROWS = 20
"""How many entries a table in a notebook shows."""


def size(nbytes: float) -> str:
    """A number of bytes, as in `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} B" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} TiB"


def duration(time: float) -> str:
    """A number of seconds, as in `1.5 ms`."""
    if time >= 60:
        minutes, rest = divmod(round(time), 60)
        return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if time * factor >= 1:
            return f"{time * factor:.3g} {unit}"
    return f"{time * 1e9:.0f} ns"


def shortened(text: str, length: int = 60) -> str:
    """A text, or its beginning."""
    return text if len(text) <= length else text[: length - 3] + "..."


def title(info: Info) -> str:
    """What an entry is called: its name, its call, or its key in a mapping."""
    if info.name is not None:
        return info.name
    if info.function is not None:
        return shortened(f"{info.function}({arguments(info.parts or {})})")
    if "(key)" in info.meta:
        return shortened(f"[{info.meta['(key)']!r}]")
    return f"[{info.key.digest[:12]}]"


def arguments(parts: dict[str, Any]) -> str:
    """Parts of a key as in a call."""
    return ", ".join(f"{name}={shortened(repr(value), 30)}" if name else repr(value) for name, value in parts.items())


def _escaped(text: str) -> str:
    from html import escape  # Seldom needed: it has the names of all characters.

    return escape(text)


def html_of_pairs(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table of two columns."""
    body = "".join(f"<tr><th>{_escaped(name)}</th><td>{_escaped(text)}</td></tr>" for name, text in rows)
    return f"<table><caption>{_escaped(caption)}</caption>{body}</table>"


def html_of_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a head."""
    heads = "".join(f"<th>{_escaped(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{_escaped(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><caption>{_escaped(caption)}</caption><tr>{heads}</tr>{body}</table>"


def html_of_entry(info: Info) -> str:
    """All that is known of an entry."""
    return html_of_pairs(title(info), [(name, text) for name, text in entry_rows(info) if text])


def entry_rows(info: Info) -> Iterator[tuple[str, str]]:
    """All that is known of an entry; texts are empty where nothing is."""
    yield "value", info.description
    yield "size", size(info.logical_bytes + info.manifest_bytes)
    yield "created", time(info.created)
    yield "last used", time(info.last_used)
    yield "expires", "" if info.expires is None else time(info.expires)
    yield "computed in", "" if info.compute_time is None else duration(info.compute_time)
    yield "tags", ", ".join(info.tags)
    yield "pinned", "yes" if info.pinned else ""
    yield "by", " at ".join(part for part in (info.user, info.host) if part)
    yield "version", info.version or ""
    yield "encoding", info.encoding
    for array in info.arrays:
        shape = " x ".join(map(str, array["shape"])) or "scalar"
        place = "inline" if array["inline"] else array["digest"][:12]
        yield "array", f"{array['dtype']} {shape}, {size(array['nbytes'])}, {place}"


def time(timestamp: float) -> str:
    """A point in time, in the local zone."""
    return moment(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def html_of_entries(infos: Sequence[Info]) -> str:
    """The first few of many entries."""
    rows = [
        (title(info), info.description, size(info.logical_bytes + info.manifest_bytes), time(info.created))
        for info in infos[:ROWS]
    ]
    caption = f"{len(infos)} entries" + (f", the first {ROWS}" if len(infos) > ROWS else "")
    return html_of_table(caption, ("entry", "value", "size", "created"), rows)


def stats_rows(stats: "Stats") -> list[tuple[str, str]]:
    """Counters, for people."""
    rows = [
        ("hits", f"{stats.hits} ({stats.hit_rate:.0%})"),
        ("misses", str(stats.misses)),
        ("time saved", duration(stats.saved_seconds)),
        ("time spent computing", duration(stats.computed_seconds)),
        ("written", size(stats.new_bytes)),
        ("not written, as it was there", size(stats.shared_bytes)),
    ]
    rare = ("stale", "damaged", "failures", "refused")
    return rows + [(name, str(getattr(stats, name))) for name in rare if getattr(stats, name)]


def usage_rows(usage: dict[str, int]) -> list[tuple[str, str]]:
    """The space that a store takes, for people."""
    return [
        ("entries", str(usage["entries"])),
        ("values", size(usage["logical_bytes"] + usage["manifest_bytes"])),
        ("on disk", size(usage["blob_bytes"] + usage["manifest_bytes"])),
        ("saved by sharing", size(usage["saved_bytes"])),
        ("garbage", size(usage["garbage_bytes"])),
    ]
