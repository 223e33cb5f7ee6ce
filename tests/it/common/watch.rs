//! Watching and stopping the file-system operations of one handle.

use std::io;
use std::sync::{Arc, Mutex};

use ndstash::seam::{Flow, Seam, Step, Verb, Watch};

type Before = dyn Fn(&Step<'_>) -> io::Result<Flow> + Send + Sync;

struct Hook(Box<Before>);

impl Watch for Hook {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        (self.0)(step)
    }
}

/// A seam that asks a closure before every operation.
pub(crate) fn seam(before: impl Fn(&Step<'_>) -> io::Result<Flow> + Send + Sync + 'static) -> Seam {
    Seam::new(Arc::new(Hook(Box::new(before))))
}

/// Writes down every operation of a handle.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<(Verb, String)>>>);

impl Record {
    pub(crate) fn seam(&self) -> Seam {
        let steps = Arc::clone(&self.0);
        seam(move |step| {
            steps.lock().unwrap().push((step.verb, step.path.to_owned()));
            Ok(Flow::Go)
        })
    }

    /// What happened since the last call.
    pub(crate) fn take(&self) -> Vec<(Verb, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
