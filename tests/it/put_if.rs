//! Conditional puts: the look and the change are one step.

use std::sync::Barrier;
use std::thread;

use ndstash::{Expect, GcOptions, Store, Tree};

use crate::common::{Dir, bytes_array};

fn put_if(store: &Store, value: i64, expect: Expect<'_>) -> bool {
    let report = store.writer().put_if("n", Tree::Int(value), expect).unwrap();
    report.is_some_and(|report| report.key == ndstash::Key::from_name("n").unwrap())
}

#[test]
fn a_put_goes_on_only_if_what_is_there_is_what_is_expected() {
    let dir = Dir::new();
    let store = dir.store();
    let info = || store.info("n").unwrap().unwrap();
    let value = || store.get::<i64>("n").unwrap();
    assert!(put_if(&store, 1, Expect::Absent) && !put_if(&store, 2, Expect::Absent));
    let first = info();
    assert!(put_if(&store, 3, Expect::Same(&first)) && !put_if(&store, 4, Expect::Same(&first)));
    assert_eq!(value(), Some(3));
    let seen = info();
    store.relabel("n", |labels| labels.tags.push("changed".into())).unwrap();
    assert!(!put_if(&store, 5, Expect::Same(&seen)), "relabelling makes another entry");
    assert!(put_if(&store, 6, Expect::Anything));
    let seen = info();
    store.remove("n").unwrap();
    assert!(!put_if(&store, 7, Expect::Same(&seen)));
    assert!(put_if(&store, 8, Expect::Anything));
    assert_eq!((value(), info().tags().len()), (Some(8), 0));
}

#[test]
fn an_entry_that_lacks_a_blob_counts_as_absent_and_can_be_expected() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for same in [false, true] {
        store.put("n", &bytes_array(5000, 1)).unwrap();
        let seen = store.info("n").unwrap().unwrap();
        for name in dir.blob_names() {
            std::fs::remove_file(dir.blob(&name.parse().unwrap())).unwrap();
        }
        assert!(put_if(&store, 1, if same { Expect::Same(&seen) } else { Expect::Absent }));
        assert_eq!(store.get("n").unwrap(), Some(1));
    }
}

/// Every one adds one to what it has read, ten times, with handles of its own, while garbage is collected.
#[test]
fn of_many_that_expect_the_same_one_goes_on_and_no_change_is_lost() {
    let dir = Dir::new();
    drop(dir.store());
    let barrier = Barrier::new(8);
    let add = || {
        let store = dir.store();
        barrier.wait();
        put_if(&store, 0, Expect::Absent)
    };
    let added: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(added.iter().filter(|added| **added).count(), 1);

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = dir.store();
                for _ in 0..10 {
                    loop {
                        let entry = store.entry("n").unwrap().unwrap();
                        let next = entry.value::<i64>().unwrap() + 1;
                        if put_if(&store, next, Expect::Same(&entry)) {
                            break;
                        }
                    }
                }
            });
        }
        scope.spawn(|| (0..5).for_each(|_| assert!(dir.store().gc(&GcOptions::new()).is_ok())));
    });
    assert_eq!(dir.store().get("n").unwrap(), Some(40));
}
