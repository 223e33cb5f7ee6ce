//! Forking: the child keeps none of its parent's locks, uses none of its threads, and works for itself.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ndstash::seam::{Flow, Verb};
use ndstash::{GcOptions, Store, StoreOptions, after_fork_in_child};

use crate::common::{Child, Dir, bytes_array, files_in, load, noise, seam, verify, wait_for};

/// So long that hashing and putting go to all cores.
const LONG: usize = 3 << 20;

/// The parent dies inside the gate, with private files; its child lives on, and has used a handle of the parent's.
#[test]
fn a_forked_child_keeps_no_lock_of_its_dead_parent_and_puts_for_itself() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let mut parent = Child::alone("fork::forks_inside_the_gate", &dir.path()).spawn();
    // Its output is not read: the child holds the other end.
    assert_eq!(parent.wait().unwrap().code(), Some(3), "the child has put");
    assert_eq!(fs::read_dir(dir.inside("tmp")).unwrap().count(), 3, "two handles of the parent's, one of the child's");

    let report = store.gc(&GcOptions::new().wait(Duration::from_secs(5))).unwrap();
    assert_eq!(report.private_dirs_removed, 2, "the parent's locks went with the parent");
    assert_eq!(files_in(&dir.inside("tmp")).len(), 1, "the child's private file is its own");
    assert_eq!(load(&store, "child").unwrap().unwrap(), noise(LONG, 3));

    fs::write(dir.beside("go"), b"").unwrap();
    wait_for("the child has ended", || store.gc(&GcOptions::new()).unwrap().private_dirs_removed == 1);
    assert!(dir.leftovers().is_empty());
    assert_eq!(load(&store, "last").unwrap().unwrap(), noise(LONG, 4));
    assert!(verify(&store).problems.is_empty());
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn forks_inside_the_gate() {
    let room = Child::room();
    let beside = room.parent().unwrap().to_owned();
    let shared = Store::open(&room).unwrap();
    shared.put("parent", &bytes_array(LONG, 1)).unwrap();
    let mut growing = shared.append_array::<u8, _>(()).unwrap();
    growing.extend(&bytes_array(9 << 20, 2)).unwrap();
    let forked = AtomicBool::new(false);
    let store = StoreOptions::new().seam(seam(move |step| {
        if step.verb == Verb::Link && !forked.swap(true, Ordering::Relaxed) {
            Child::fork(|| live_on(&shared, &beside));
            wait_for("the child has put", || beside.join("ready").exists());
            std::process::exit(3);
        }
        Ok(Flow::Go)
    }));
    store.open(&room).unwrap().put("never", &bytes_array(LONG, 5)).unwrap();
    drop(growing);
}

/// What the child does.
fn live_on(store: &Store, beside: &Path) {
    after_fork_in_child();
    store.put("child", &bytes_array(LONG, 3)).unwrap();
    let mut growing = store.append_array::<u8, _>(()).unwrap();
    growing.extend(&bytes_array(9 << 20, 6)).unwrap();
    fs::write(beside.join("ready"), b"").unwrap();
    wait_for("the test has collected", || beside.join("go").exists());
    drop(growing);
    store.put("last", &bytes_array(LONG, 4)).unwrap();
    let report = store.gc(&GcOptions::new()).unwrap();
    assert_eq!(report.private_dirs_removed, 0);
}
