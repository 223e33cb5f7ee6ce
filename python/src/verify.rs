//! Verification, with progress and Ctrl-C: the core works in a thread, this one looks after Python.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ndstash::{Store, VerifyEvent, VerifyOptions, VerifyReport};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Result;

/// How often Python is looked after: at first, and later.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_millis(50);

/// How far a verification has come.
#[derive(Default)]
struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

/// Verifies a store. What the callback or a signal handler raises comes at once; a verification that only looks then goes
/// on in the background without anybody to tell, and a repair is waited for.
pub(crate) fn run<'py>(
    py: Python<'py>,
    store: &Store,
    repair: bool,
    callback: Option<&Bound<'py, PyAny>>,
) -> Result<Bound<'py, PyDict>> {
    let progress = Arc::new(Progress::default());
    let work = start(store.clone(), repair, Arc::clone(&progress));
    let watched = watch(py, &work, &progress, callback);
    if watched.is_ok() || repair {
        let report = py.detach(|| work.join());
        watched?;
        let report = report.map_err(|_| PyRuntimeError::new_err("the verification panicked"))??;
        if let Some(callback) = callback {
            callback.call1((report.bytes, report.bytes))?;
        }
        return dict(py, &report);
    }
    Err(watched.err().map_or_else(|| PyRuntimeError::new_err("nothing was raised").into(), Into::into))
}

fn start(store: Store, repair: bool, progress: Arc<Progress>) -> JoinHandle<ndstash::Result<VerifyReport>> {
    thread::spawn(move || {
        store.verify(&VerifyOptions::new().repair(repair), &|event| match event {
            VerifyEvent::Total { bytes, .. } => progress.total.store(bytes, Ordering::Relaxed),
            VerifyEvent::Checked { bytes } => drop(progress.done.fetch_add(bytes, Ordering::Relaxed)),
            _ => {}
        })
    })
}

/// Tells how far it is, until it is done.
fn watch<T>(
    py: Python<'_>,
    work: &JoinHandle<T>,
    progress: &Progress,
    callback: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let mut pause = FIRST_PAUSE;
    while !work.is_finished() {
        py.detach(|| thread::sleep(pause));
        pause = (pause * 2).min(PAUSE);
        py.check_signals()?;
        if let Some(callback) = callback {
            callback.call1((progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed)))?;
        }
    }
    Ok(())
}

fn dict<'py>(py: Python<'py>, report: &VerifyReport) -> Result<Bound<'py, PyDict>> {
    let problems = report
        .problems
        .iter()
        .map(|problem| format!("{}: {}: {}", problem.path.display(), problem.kind, problem.detail));
    let steps = |steps: &[ndstash::Repair]| -> Vec<String> {
        steps.iter().map(|step| format!("{}: {}", step.path.display(), step.action)).collect()
    };
    let dict = PyDict::new(py);
    dict.set_item("entries", report.entries)?;
    dict.set_item("blobs", report.blobs)?;
    dict.set_item("bytes", report.bytes)?;
    dict.set_item("problems", problems.collect::<Vec<_>>())?;
    dict.set_item("repaired", steps(&report.repaired))?;
    dict.set_item("left", steps(&report.left))?;
    Ok(dict)
}
