//! Sizes and spans of time as people type them, and spans as they are shown.

use std::time::Duration;

const SIZES: [(&str, u128); 22] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("p", 1 << 50),
    ("e", 1 << 60),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
    ("eib", 1 << 60),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("eb", 1_000_000_000_000_000_000),
    ("byte", 1),
    ("bytes", 1),
];
const SECOND: u128 = 1_000_000_000;
/// In nanoseconds.
const AGES: [(&str, u128); 5] =
    [("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND), ("d", 24 * 3600 * SECOND), ("w", 7 * 24 * 3600 * SECOND)];

const BAD_SIZE: &str = "a number with a unit is expected, as in 500k, 1.5G, 20GiB or 1000 (k is 1024, kB is 1000)";
const BAD_AGE: &str = "a number with a unit is expected, as in 30s, 5m, 12h, 7d or 2w";
const TOO_LARGE: &str = "that is more than can be counted";

/// A limit that may be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound(pub(crate) Option<u64>);

/// Bytes. Letters count as `du` has them: `k`, `M`, `G` and `KiB`, `MiB`, `GiB` are powers of 1024, `kB`, `MB`, `GB`
/// of 1000.
pub(crate) fn bytes(text: &str) -> Result<u64, &'static str> {
    scaled(text, &SIZES, BAD_SIZE)
}

/// A span of time, of 292 years at most.
pub(crate) fn age(text: &str) -> Result<Duration, &'static str> {
    let nanoseconds = scaled(text, &AGES, BAD_AGE)?;
    i64::try_from(nanoseconds).map(|_| Duration::from_nanos(nanoseconds)).map_err(|_| TOO_LARGE)
}

/// Bytes, or `none`.
pub(crate) fn byte_bound(text: &str) -> Result<Bound, &'static str> {
    bound(text, bytes)
}

pub(crate) fn count_bound(text: &str) -> Result<Bound, &'static str> {
    bound(text, |text| text.parse().map_err(|_| "a number or none is expected"))
}

/// In whole seconds, rounded up.
pub(crate) fn age_bound(text: &str) -> Result<Bound, &'static str> {
    bound(text, |text| age(text).map(|age| age.as_secs() + u64::from(age.subsec_nanos() > 0)))
}

fn bound(text: &str, parse: impl FnOnce(&str) -> Result<u64, &'static str>) -> Result<Bound, &'static str> {
    if text == "none" { Ok(Bound(None)) } else { parse(text).map(|number| Bound(Some(number))) }
}

/// A number with a decimal point and a unit, exactly; what is left below 1 is dropped.
fn scaled(text: &str, units: &[(&str, u128)], bad: &'static str) -> Result<u64, &'static str> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start().to_ascii_lowercase());
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(bad)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(bad);
    }
    // The product with a factor stays below 2^128, and what is cut off is less than a unit.
    let fraction = &fraction[..fraction.len().min(20)];
    let whole: u64 = whole.parse().map_err(|_| TOO_LARGE)?;
    let parts: u128 = fraction.parse().map_err(|_| bad)?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| bad)?);
    u64::try_from(u128::from(whole) * factor + parts * factor / scale).map_err(|_| TOO_LARGE)
}

/// How long something took, in the unit that keeps it short.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        _ if time.is_zero() => "0s".to_owned(),
        0..120 => crate::cli::format::time(time),
        120..7200 => format!("{:.1}m", seconds / 60.0),
        7200..172_800 => format!("{:.1}h", seconds / 3600.0),
        _ => format!("{:.1}d", seconds / 86_400.0),
    }
}

/// How long ago something was, in whole units as they can be typed; a time to come is `0s`.
pub(crate) fn ago(nanoseconds: i128) -> String {
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_and_know_their_units() {
        let table = [
            ("0", 0),
            ("1000", 1000),
            ("12b", 12),
            ("500k", 512_000),
            ("500kB", 500_000),
            ("1 KiB", 1024),
            ("1.5G", 3 << 29),
            ("0.1M", 104_857),
            ("2gib", 2 << 30),
            ("15.999999999999999999E", u64::MAX - 1),
            ("0.00000000000000000000000000001E", 0),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, expected) in table {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "k",
            ".5G",
            "5.",
            "1.2.3k",
            "1.00000000000000000000.5k",
            "-1",
            "1 000",
            "5 potatoes",
            "1e9",
            "5kk",
            "0x10",
            "\u{663}k",
        ] {
            assert_eq!(bytes(text), Err(BAD_SIZE), "{text}");
        }
        for text in ["16E", "18446744073709551616", "99999999999999999999999999999999999999999k"] {
            assert_eq!(bytes(text), Err(TOO_LARGE), "{text}");
        }
    }

    #[test]
    fn ages_need_a_unit() {
        let table = [("0s", 0), ("30s", 30), ("5m", 300), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)];
        for (text, seconds) in table {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(age("0.5s"), Ok(Duration::from_millis(500)));
        for text in ["", "30", "d", "1y", "5 min", "-1d", "soon", "1d12h"] {
            assert_eq!(age(text), Err(BAD_AGE), "{text}");
        }
        assert_eq!(age("20000w"), Err(TOO_LARGE));
        assert_eq!(age("15250w").map(|age| age.as_secs()), Ok(15_250 * 604_800));
    }

    #[test]
    fn a_bound_may_be_none() {
        assert_eq!((byte_bound("none"), byte_bound("1k")), (Ok(Bound(None)), Ok(Bound(Some(1024)))));
        assert_eq!((count_bound("none"), count_bound("10")), (Ok(Bound(None)), Ok(Bound(Some(10)))));
        assert_eq!((age_bound("none"), age_bound("1m")), (Ok(Bound(None)), Ok(Bound(Some(60)))));
        assert_eq!(age_bound("0.5s"), Ok(Bound(Some(1))), "no shorter than asked for");
        assert!(byte_bound("None of it").is_err() && count_bound("1k").is_err() && age_bound("60").is_err());
    }

    #[test]
    fn spans_have_the_unit_that_keeps_them_short() {
        let spans = [0, 119, 120, 7199, 7200, 172_799, 172_800].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["0s", "119.0s", "2.0m", "120.0m", "2.0h", "48.0h", "2.0d"]);
        let agos = [-5, 0, 119, 120, 7200, 172_800].map(|seconds: i128| ago(seconds * 1_000_000_000));
        assert_eq!(agos, ["0s", "0s", "119s", "2m", "2h", "2d"]);
    }
}
