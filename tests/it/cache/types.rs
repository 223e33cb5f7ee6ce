//! What is handed out is the same from the first call on, owned or mapped.

use ndarray::{Array1, Array2, Ix2};
use ndstash::{Cache, CacheOptions, MappedArray};
use serde::{Deserialize, Serialize};

use crate::common::Dir;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Fit {
    name: String,
    scores: (Option<f32>, Vec<u16>),
    weights: Array2<f64>,
}

fn fit() -> Fit {
    let weights = Array1::linspace(-1.0, 1.0, 60_000).into_shape_with_order((300, 200)).unwrap();
    Fit { name: "first".into(), scores: (Some(0.5), vec![1, 2]), weights }
}

#[test]
fn first_and_second_call_return_the_same_types_and_values() {
    let dir = Dir::new();
    for options in [CacheOptions::new(), CacheOptions::new().memory(10 << 20)] {
        let cache = options.open(dir.store(), "test").unwrap();
        cache.clear().unwrap();
        let ask = || cache.get_or_insert_with(&1, fit);
        assert_eq!([ask(), ask(), ask()], [fit(), fit(), fit()]);
    }
}

#[test]
fn layouts_of_arrays_stay_as_computed() {
    let dir = Dir::new();
    let cache = Cache::new(dir.store(), "test").unwrap();
    let ask = || cache.get_or_insert_with(&1, || fit().weights.reversed_axes());
    let (first, second) = (ask(), ask());
    assert_eq!((first.strides(), first.dim()), (second.strides(), second.dim()));
    assert_eq!(first, second);
}

#[test]
fn mapped_address_multiple_of_64_and_mapped_where_the_type_asks_for_it() {
    let dir = Dir::new();
    drop(dir.store());
    for memory in [0, 10 << 20] {
        let cache = CacheOptions::new().memory(memory).open(dir.mapped(), "test").unwrap();
        let ask = || -> MappedArray<f64, Ix2> { cache.get_or_insert_with(&1, || fit().weights.into()) };
        drop(ask());
        let mapped = ask();
        assert!(mapped.is_mapped());
        assert_eq!(mapped.as_ptr() as usize % 64, 0);
        assert_eq!(mapped.view(), fit().weights);
    }
}
