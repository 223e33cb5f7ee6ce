//! Dates, times of day and spans of time of Python's `datetime`.

use ndstash::{Tag, Tree};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::error::{Fault, Result};

const MICROSECONDS: i64 = 1_000_000;

/// The classes of `datetime`.
pub(crate) struct Times {
    datetime: Py<PyAny>,
    date: Py<PyAny>,
    time: Py<PyAny>,
    timedelta: Py<PyAny>,
    timezone: Py<PyAny>,
}

static TIMES: PyOnceLock<Times> = PyOnceLock::new();

impl Times {
    pub(crate) fn get(py: Python<'_>) -> PyResult<&Self> {
        TIMES.get_or_try_init(py, || {
            let module = py.import("datetime")?;
            let class = |name: &str| module.getattr(name).map(Bound::unbind);
            Ok(Times {
                datetime: class("datetime")?,
                date: class("date")?,
                time: class("time")?,
                timedelta: class("timedelta")?,
                timezone: class("timezone")?,
            })
        })
    }

    /// What the instances of a class are.
    pub(crate) fn kind(&self, class: *mut pyo3::ffi::PyTypeObject) -> Option<Tag> {
        let kinds = [
            (&self.datetime, Tag::DateTime),
            (&self.timedelta, Tag::TimeDelta),
            (&self.date, Tag::Date),
            (&self.time, Tag::Time),
        ];
        kinds.into_iter().find(|(known, _)| known.as_ptr().addr() == class.addr()).map(|(_, kind)| kind)
    }

    /// Whether a zone is an offset from UTC and nothing else: one with a name of its own is more.
    fn is_offset(&self, zone: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = zone.py();
        Ok(zone.get_type().is(&self.timezone)
            && zone.call_method0(intern!(py, "__getinitargs__"))?.cast::<PyTuple>()?.len() == 1)
    }

    /// The zone of an offset: `+02:00`, `-03:30:00.000001`.
    fn zone<'py>(&self, py: Python<'py>, offset: &str) -> Result<Bound<'py, PyAny>> {
        let parts: Vec<i64> = offset[1..].split([':', '.']).filter_map(|part| part.parse().ok()).collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or_default();
        let seconds = part(0) * 3600 + part(1) * 60 + part(2);
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        let delta = self.timedelta.bind(py).call1((0, 0, sign * (seconds * MICROSECONDS + part(3))))?;
        Ok(self.timezone.bind(py).call1((delta,))?)
    }

    /// A moment, of its text; `shown` is how long that is without an offset.
    fn moment<'py>(
        &self,
        class: &Bound<'py, PyAny>,
        (shown, offset): (&str, &str),
        fold: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let py = class.py();
        let moment = class.call_method1(intern!(py, "fromisoformat"), (shown,))?;
        if offset.is_empty() && !fold {
            return Ok(moment);
        }
        let changed = PyDict::new(py);
        changed.set_item(intern!(py, "fold"), u8::from(fold))?;
        if !offset.is_empty() {
            // Older versions of Python take an offset of less than a second for UTC: not left to `fromisoformat`.
            changed.set_item(intern!(py, "tzinfo"), self.zone(py, offset)?)?;
        }
        Ok(moment.call_method(intern!(py, "replace"), (), Some(&changed))?)
    }
}

/// The items that stand for a value; `None` if its zone is more than an offset.
pub(crate) fn note(kind: Tag, value: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Tree>>> {
    let py = value.py();
    let number = |name| value.getattr(name)?.extract().map(Tree::Int);
    if kind == Tag::TimeDelta {
        let (days, seconds) = (number(intern!(py, "days"))?, number(intern!(py, "seconds"))?);
        return Ok(Some(vec![days, seconds, number(intern!(py, "microseconds"))?]));
    }
    let mut fold = None;
    if kind != Tag::Date {
        let zone = value.getattr(intern!(py, "tzinfo"))?;
        if !zone.is_none() && !Times::get(py)?.is_offset(&zone)? {
            return Ok(None);
        }
        fold = Some(number(intern!(py, "fold"))?).filter(|fold| *fold != Tree::Int(0));
    }
    let text: String = value.call_method0(intern!(py, "isoformat"))?.extract()?;
    Ok(Some(std::iter::once(Tree::Str(text)).chain(fold).collect()))
}

/// The value that items stand for.
///
/// # Errors
/// `Unsupported` if they go with no such tag: a reader refuses them before.
pub(crate) fn compose<'py>(py: Python<'py>, tag: Tag, items: &[Tree]) -> Result<Bound<'py, PyAny>> {
    let times = Times::get(py)?;
    match (tag, items) {
        (Tag::TimeDelta, [Tree::Int(days), Tree::Int(seconds), Tree::Int(microseconds)]) => {
            Ok(times.timedelta.bind(py).call1((days, seconds, microseconds))?)
        }
        (Tag::Date, [Tree::Str(text)]) => times.moment(times.date.bind(py), (text, ""), false),
        (Tag::Time, [Tree::Str(text), fold @ ..]) => {
            times.moment(times.time.bind(py), split(text, 0), !fold.is_empty())
        }
        (Tag::DateTime, [Tree::Str(text), fold @ ..]) => {
            times.moment(times.datetime.bind(py), split(text, "YYYY-MM-DD".len()), !fold.is_empty())
        }
        _ => Err(Fault::from(ndstash::Error::Unsupported { path: "a value".into(), what: "such a time".into() })),
    }
}

/// What clocks show, and the offset, which begins behind the date.
fn split(text: &str, date: usize) -> (&str, &str) {
    let offset = text[date..].find(['+', '-']).map_or(text.len(), |at| date + at);
    text.split_at(offset)
}
