"""Durations and points in time, as people write them and as the core takes them."""

from datetime import UTC, datetime, timedelta

Seconds = float | int | timedelta
"""A duration: a number of seconds, or a `timedelta`."""


def seconds(duration: Seconds) -> float:
    """A duration as a number of seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def moment(time: float) -> datetime:
    """A point in time, in UTC."""
    return datetime.fromtimestamp(time, UTC)


def timestamp(time: float | datetime) -> float:
    """Seconds since 1970-01-01 UTC; a `datetime` without a zone is local time."""
    return time.timestamp() if isinstance(time, datetime) else float(time)
