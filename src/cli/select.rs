//! Which entries the filters of the command line let pass.

use std::time::Duration;

use ndstash::Query;

use crate::cli::policy_args::Filters;

impl Filters {
    /// Whether every entry passes.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Filters::default()
    }

    /// The conditions as the library takes them, at `now`, in nanoseconds since 1970.
    pub(crate) fn query(&self, now: i64) -> Query {
        let ago = |age: Duration| now.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        let mut query = self.tags.iter().fold(Query::new(), Query::tag);
        query = apply(query, self.older, |query, age| query.created_before(ago(age)));
        query = apply(query, self.newer, |query, age| query.created_after(ago(age)));
        query = apply(query, self.unused, |query, age| query.used_before(ago(age)));
        query = apply(query, self.larger, Query::at_least_bytes);
        query = apply(query, self.function.as_ref(), Query::function);
        query = apply(query, self.namespace.as_ref(), Query::namespace);
        query = apply(query, self.expired.then_some(now), Query::expired_at);
        apply(query, self.pinned.then_some(true), Query::pinned)
    }
}

fn apply<T>(query: Query, condition: Option<T>, add: impl FnOnce(Query, T) -> Query) -> Query {
    match condition {
        Some(condition) => add(query, condition),
        None => query,
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}
