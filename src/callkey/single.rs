//! The encoding of single values that Rust has no types for: numbers of the types of arrays, moments, spans of time.

use super::Rounding;
use super::encode::scalar;
use crate::dtype::DType;
use crate::format::canonical::{Canonical, Container, Content};
use crate::format::iso::{self, Moment, Offset};
use crate::format::tree::{Tag, Tree};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Appends what a tagged list stands for; `None` if it is none of these.
pub(super) fn encode(value: &Tree, rounding: Option<Rounding>, out: &mut Canonical) -> Option<()> {
    let Tree::Tagged(tag, items) = value else { return None };
    match (tag, &items[..]) {
        (Tag::Scalar, [Tree::Str(dtype), Tree::Bytes(bytes)]) => {
            scalar(dtype.parse().ok()?, bytes.clone(), rounding, out);
        }
        (Tag::Date, [Tree::Str(text)]) => {
            out.named("datetime.date");
            out.text(text);
        }
        (Tag::DateTime, [Tree::Str(text), fold @ ..]) => {
            moment("datetime.datetime", &iso::date_time(text)?, !fold.is_empty(), out);
        }
        (Tag::Time, [Tree::Str(text), fold @ ..]) => moment("datetime.time", &iso::time(text)?, !fold.is_empty(), out),
        (Tag::TimeDelta, &[Tree::Int(days), Tree::Int(seconds), Tree::Int(microseconds)]) => {
            span([days, seconds, microseconds], out);
        }
        (Tag::Ticks, [Tree::Str(dtype), Tree::Int(count)]) => {
            out.named(&format!("numpy.ndarray[{dtype}]"));
            out.array(DType::Int64, &[], Content::Short(&count.to_le_bytes()));
        }
        _ => return None,
    }
    Some(())
}

/// What most are, a text, stands for itself; with an offset, or shown the second time, they are three things.
fn moment(name: &str, moment: &Moment<'_>, fold: bool, out: &mut Canonical) {
    out.named(name);
    if moment.offset.is_none() && !fold {
        return out.text(moment.shown);
    }
    let at = out.begin(Container::Tuple);
    out.text(moment.shown);
    out.integer(fold.into());
    match &moment.offset {
        Some(offset) => zone(offset, out),
        None => out.nil(),
    }
    out.end(at, 3);
}

fn zone(offset: &Offset<'_>, out: &mut Canonical) {
    out.named("datetime.timezone");
    let at = out.begin(Container::Tuple);
    let (day, rest) = (offset.microseconds.div_euclid(DAY), offset.microseconds.rem_euclid(DAY));
    span([day, rest / SECOND, rest % SECOND], out);
    out.text(&if offset.microseconds == 0 { "UTC".to_owned() } else { format!("UTC{}", offset.text) });
    out.end(at, 2);
}

/// Days, seconds, microseconds.
fn span(parts: [i64; 3], out: &mut Canonical) {
    out.named("datetime.timedelta");
    let at = out.begin(Container::Tuple);
    parts.into_iter().for_each(|part| out.integer(part.into()));
    out.end(at, 3);
}
