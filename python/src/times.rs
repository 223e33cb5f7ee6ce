//! Times and durations, which are floats in Python: seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Fault, Result};

const PER_SECOND: f64 = 1e9;

/// Longer than anybody waits.
const LONGEST: f64 = 1e9;

/// A duration of so many seconds; infinity is very long.
pub(crate) fn duration(seconds: f64) -> Result<Duration> {
    match Duration::try_from_secs_f64(seconds.min(LONGEST)) {
        Ok(duration) if !seconds.is_nan() => Ok(duration),
        _ => Err(Fault::invalid("duration", seconds.to_string(), "a number of seconds, not negative, is expected")),
    }
}

/// Nanoseconds since 1970-01-01 00:00 UTC, of a point in time that is given in seconds.
pub(crate) fn nanoseconds(seconds: f64) -> Result<i64> {
    if seconds.is_nan() {
        return Err(Fault::invalid("time", "nan", "a number of seconds since 1970-01-01 UTC is expected"));
    }
    Ok(to_ns(seconds))
}

/// The point in time so many seconds from now; `None`, and infinity, are never.
pub(crate) fn from_now(seconds: Option<f64>) -> Result<Option<i64>> {
    let Some(seconds) = seconds.filter(|&seconds| seconds != f64::INFINITY) else { return Ok(None) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    // The largest number stands for never.
    Ok(Some(now.saturating_add(nanoseconds(seconds)?).min(i64::MAX - 1)))
}

/// Seconds, of nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "a float has some hundred nanoseconds, which is what people ask for")]
pub(crate) fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / PER_SECOND
}

#[expect(clippy::cast_possible_truncation, reason = "what is out of range becomes the nearest that is not")]
fn to_ns(seconds: f64) -> i64 {
    (seconds * PER_SECOND).round() as i64
}
