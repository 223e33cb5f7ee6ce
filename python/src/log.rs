//! What the core has to say, kept until somebody who holds the interpreter lock asks for it: the core itself never
//! waits for that lock.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use ndstash::PerProcess;
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How many messages are kept. Of more, the oldest go.
const KEPT: usize = 1000;

static MESSAGES: PerProcess<Mutex<VecDeque<(i32, String)>>> = PerProcess::of_first(Mutex::new(VecDeque::new()));

/// Whether there are any: asked at every call.
static WAITING: AtomicBool = AtomicBool::new(false);

fn messages() -> MutexGuard<'static, VecDeque<(i32, String)>> {
    // Locked for moments only, and by nobody who waits for the interpreter lock meanwhile.
    MESSAGES.lock(VecDeque::new)
}

/// Messages of the core since this was last called: level of `logging`, text.
#[pyfunction]
pub(crate) fn drain_log() -> Vec<(i32, String)> {
    if !WAITING.swap(false, Ordering::Acquire) {
        return Vec::new();
    }
    messages().drain(..).collect()
}

/// Sees to it that messages are kept.
pub(crate) fn listen() {
    // Whoever has set another subscriber in this process gets them instead.
    drop(tracing::subscriber::set_global_default(Queue));
}

struct Queue;

impl Subscriber for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG && metadata.target().starts_with("ndstash")
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let mut messages = messages();
        if messages.len() == KEPT {
            messages.pop_front();
        }
        messages.push_back((number(*event.metadata().level()), line.text + &line.fields));
        WAITING.store(true, Ordering::Release);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The level as `logging` has it.
fn number(level: Level) -> i32 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        _ => 10,
    }
}

/// One message: its text, then what else is said.
#[derive(Default)]
struct Line {
    text: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        // Writing to a string does not fail.
        let _ = written;
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !value.is_empty() {
            self.record_debug(field, &value);
        }
    }
}
