//! The attribute: a function whose results are kept, what is in its key, and what is not.

use std::cell::Cell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ndarray::{Array1, Array2};
use ndstash::{Cache, CacheOptions, Store, cached};
use serde::{Deserialize, Serialize};

use crate::common::Dir;

thread_local! {
    /// How often a function of this thread was computed.
    static COMPUTED: Cell<u32> = const { Cell::new(0) };
}

fn computed() {
    COMPUTED.set(COMPUTED.get() + 1);
}

/// How often something was computed meanwhile.
fn count<T>(work: impl FnOnce() -> T) -> u32 {
    let before = COMPUTED.get();
    drop(work());
    COMPUTED.get() - before
}

fn cache(dir: &Dir) -> Cache {
    Cache::new(dir.store(), "test").unwrap()
}

#[cached(cache = cache)]
fn scaled(cache: &Cache, field: &Array2<f64>, factor: f64) -> Array2<f64> {
    computed();
    field * factor
}

#[test]
fn a_function_is_computed_once_for_equal_arguments() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let field = Array1::linspace(0.0, 1.0, 600).into_shape_with_order((30, 20)).unwrap();
    assert_eq!(scaled(&cache, &field, 2.0), &field * 2.0);
    assert_eq!(count(|| assert_eq!(scaled(&cache, &field.clone(), 2.0), &field * 2.0)), 0);
    assert_eq!(count(|| scaled(&cache, &field, 3.0)), 1);
    assert_eq!(count(|| scaled(&cache, &(&field * 2.0), 2.0)), 1);
    let info = cache.entries().next().unwrap().unwrap();
    assert_eq!(info.function(), Some("it::cached::scaled"));
    assert_eq!(info.version().unwrap().len(), 16);
}

mod first {
    use super::*;
    #[cached(cache = cache)]
    pub(super) fn tripled(cache: &Cache, x: u32) -> u32 {
        computed();
        x * 3
    }
}

mod changed {
    use super::*;
    #[cached(cache = cache, name = "tripled")]
    pub(super) fn tripled(cache: &Cache, x: u32) -> u32 {
        computed();
        x * 4
    }
}

mod back {
    use super::*;
    /// Another text, another layout.
    #[cached(cache = cache, name = "tripled")]
    pub(super) fn tripled(cache: &Cache, x: u32) -> u32 {
        // It is computed.
        computed();
        x * 3
    }
}

mod moved {
    use super::*;
    #[cached(cache = cache, name = "tripled")]
    pub(super) fn tripled(cache: &Cache, x: u32) -> u32 {
        computed();
        x * 3
    }
}

#[test]
fn constant_changed_in_the_body_a_miss_changed_back_or_comment_or_layout_or_place_changed_a_hit() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!(back::tripled(&cache, 5), 15);
    assert_eq!(changed::tripled(&cache, 5), 20);
    assert_eq!(count(|| assert_eq!(moved::tripled(&cache, 5), 15)), 0);
    assert_eq!(count(|| assert_eq!(changed::tripled(&cache, 5), 20)), 0, "entries of other versions stay");
    assert_eq!(count(|| assert_eq!(first::tripled(&cache, 5), 15)), 1, "without a name the module counts");
}

mod pinned {
    use super::*;
    fn helper(x: u32) -> u32 {
        x + 1
    }
    #[cached(cache = cache, name = "by version", version = "1")]
    pub(super) fn one(cache: &Cache, x: u32) -> u32 {
        computed();
        helper(x)
    }
    #[cached(cache = cache, name = "by version", version = "1")]
    pub(super) fn same(cache: &Cache, x: u32) -> u32 {
        computed();
        x + 1 + u32::from(x > 1000)
    }
    #[cached(cache = cache, name = "by version", version = "2")]
    pub(super) fn next(cache: &Cache, x: u32) -> u32 {
        computed();
        helper(helper(x))
    }
}

#[test]
fn a_version_stands_for_the_code_and_for_the_helpers_that_are_not_followed() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!(pinned::one(&cache, 1), 2);
    assert_eq!(count(|| pinned::same(&cache, 1)), 0);
    assert_eq!(count(|| assert_eq!(pinned::next(&cache, 1), 3)), 1);
}

mod twins {
    use super::*;
    pub(super) fn three(cache: &Cache) -> u32 {
        const STEP: u32 = 3;
        #[cached(cache = cache)]
        fn add(cache: &Cache, x: u32) -> u32 {
            x + STEP
        }
        add(cache, 1)
    }
    pub(super) fn four(cache: &Cache) -> u32 {
        const STEP: u32 = 4;
        #[cached(cache = cache)]
        fn add(cache: &Cache, x: u32) -> u32 {
            x + STEP
        }
        add(cache, 1)
    }
}

#[test]
fn nested_functions_of_one_name_and_text_are_two() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!((twins::three(&cache), twins::four(&cache)), (4, 5));
    assert_eq!((twins::three(&cache), twins::four(&cache)), (4, 5));
}

trait Law {
    const STEP: u32;
}

#[derive(Serialize)]
struct Plus {
    x: u32,
}

#[derive(Serialize)]
struct Minus {
    x: u32,
}

impl Plus {
    #[cached(cache = cache)]
    fn step(&self, cache: &Cache, times: u32) -> u32 {
        computed();
        self.once() * times
    }
    fn once(&self) -> u32 {
        self.x + 1
    }
}

impl Minus {
    #[cached(cache = cache)]
    fn step(&self, cache: &Cache, times: u32) -> u32 {
        computed();
        self.once() * times
    }
    fn once(&self) -> u32 {
        self.x - 1
    }
}

struct Ruled<T>(std::marker::PhantomData<T>);

impl<T: Law> Ruled<T> {
    #[cached(cache = cache)]
    fn step(cache: &Cache, x: u32) -> u32 {
        x + T::STEP
    }
}

struct One;
struct Two;

impl Law for One {
    const STEP: u32 = 1;
}

impl Law for Two {
    const STEP: u32 = 2;
}

#[test]
fn two_instances_one_method_two_entries_and_equal_ones_one() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!((Plus { x: 5 }.step(&cache, 2), Plus { x: 6 }.step(&cache, 2)), (12, 14));
    assert_eq!(count(|| assert_eq!(Plus { x: 5 }.step(&cache, 2), 12)), 0);
}

#[test]
fn methods_of_one_name_and_text_of_two_types_are_two() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!((Plus { x: 5 }.step(&cache, 2), Minus { x: 5 }.step(&cache, 2)), (12, 8));
    assert_eq!((Ruled::<One>::step(&cache, 1), Ruled::<Two>::step(&cache, 1)), (2, 3));
}

#[cached(cache = cache)]
fn described<T: Serialize + Default + std::fmt::Debug, const N: usize>(cache: &Cache, values: &[T]) -> String {
    computed();
    format!("{values:?} {N} {:?}", T::default())
}

#[test]
fn generic_parameters_count() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!(described::<u8, 1>(&cache, &[]), "[] 1 0");
    assert_eq!(described::<String, 1>(&cache, &[]), "[] 1 \"\"");
    assert_eq!(described::<u8, 2>(&cache, &[]), "[] 2 0");
    assert_eq!(count(|| described::<u8, 1>(&cache, &[])), 0);
}

struct NotSerializable;

#[cached(cache = cache, ignore(log, verbose))]
fn quiet(cache: &Cache, x: u32, log: &NotSerializable, verbose: bool) -> u32 {
    computed();
    let NotSerializable = log;
    x + u32::from(verbose)
}

#[test]
fn ignored_arguments_may_be_of_any_type_and_do_not_count() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!(quiet(&cache, 1, &NotSerializable, false), 1);
    assert_eq!(count(|| assert_eq!(quiet(&cache, 1, &NotSerializable, true), 1)), 0);
}

#[cached(cache = cache, tag = "parsed", tag = format!("of {text}"), expires_in = Duration::from_secs(3600))]
fn parsed(cache: &Cache, text: String) -> Result<Vec<i32>, std::num::ParseIntError> {
    computed();
    let mut numbers = Vec::new();
    for word in text.split(' ') {
        numbers.push(word.parse()?);
    }
    Ok(numbers)
}

#[test]
fn of_a_result_what_is_inside_ok_is_kept_and_an_error_is_not() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!(parsed(&cache, "1 x".into()).is_err());
    assert_eq!(count(|| parsed(&cache, "1 x".into())), 1);
    assert_eq!(parsed(&cache, "1 2".into()), Ok(vec![1, 2]));
    assert_eq!(count(|| parsed(&cache, "1 2".into())), 0);
    let info = cache.entries().next().unwrap().unwrap();
    assert_eq!(info.tags(), ["parsed", "of 1 2"]);
    assert!(info.expires().is_some());
}

#[derive(Serialize, Deserialize)]
struct Model {
    weights: Array1<f64>,
    #[serde(skip)]
    cache: Option<Arc<Cache>>,
}

impl Model {
    #[cached(cache = self.cache.as_ref().expect("it has one"))]
    #[must_use]
    fn norm(&self, mut power: i32) -> f64 {
        computed();
        power += 1;
        self.weights.iter().map(|weight| weight.powi(power)).sum()
    }
}

#[test]
fn a_method_may_use_a_cache_of_its_own() {
    let dir = Dir::new();
    let model = |seed: f64| Model { weights: Array1::from_elem(4, seed), cache: Some(Arc::new(cache(&dir))) };
    assert!((model(2.0).norm(1) - 16.0).abs() < 1e-9);
    assert_eq!(count(|| model(2.0).norm(1)), 0);
    assert_eq!(count(|| model(3.0).norm(1)), 1);
}

static DIR: LazyLock<Dir> = LazyLock::new(Dir::new);
static CACHE: LazyLock<Cache> = LazyLock::new(|| CacheOptions::new().open(DIR.store(), "static").unwrap());

fn the_cache() -> &'static Cache {
    &CACHE
}

#[cached(cache = CACHE)]
fn of_a_static(x: &str) -> Option<usize> {
    computed();
    x.find('a')
}

#[cached(cache = the_cache())]
fn of_a_function(x: &str) {
    computed();
    assert!(!x.is_empty());
}

#[cached(cache = Cache::new(Store::open(DIR.path()).unwrap(), "made").unwrap())]
fn of_a_value(x: (i8, Vec<&str>)) -> usize {
    computed();
    x.1.len()
}

#[test]
fn the_cache_may_be_a_static_a_call_or_a_value_and_what_is_kept_an_option_or_nothing() {
    assert_eq!(count(|| (of_a_static("bab"), of_a_static("bab"))), 1);
    assert_eq!(count(|| (of_a_static("bbb"), of_a_static("bbb"))), 1);
    assert_eq!((of_a_static("bab"), of_a_static("bbb")), (Some(1), None));
    assert_eq!(count(|| (of_a_function("x"), of_a_function("x"))), 1);
    assert_eq!(count(|| (of_a_value((1, vec!["x"])), of_a_value((1, vec!["x"])))), 1);
}

#[test]
fn two_functions_one_store_equal_arguments_two_entries() {
    #[cached(cache = cache)]
    fn plus(cache: &Cache, x: u32) -> u32 {
        x + 1
    }
    #[cached(cache = cache)]
    fn minus(cache: &Cache, x: u32) -> u32 {
        x - 1
    }
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!((plus(&cache, 1), minus(&cache, 1), plus(&cache, 1), minus(&cache, 1)), (2, 0, 2, 0));
}
