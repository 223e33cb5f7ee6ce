//! Progress bars on long work: on standard error, and only where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Less than this is done before a bar could be read.
const SHOWN_FROM: u64 = 32 << 20;

const BYTES: &str = "{prefix} [{bar:30}] {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
const ITEMS: &str = "{prefix} [{bar:30}] {pos}/{len}";
const WORK: &str = "{prefix} {elapsed}";

/// A bar over so many bytes.
pub(crate) fn bytes(what: &'static str, total: u64) -> ProgressBar {
    if total < SHOWN_FROM { ProgressBar::hidden() } else { styled(ProgressBar::new(total), BYTES, what) }
}

/// A bar over bytes whose number is told later.
pub(crate) fn bytes_to_come(what: &'static str) -> ProgressBar {
    styled(ProgressBar::no_length(), BYTES, what)
}

/// A bar over so many things.
pub(crate) fn items(what: &'static str, total: usize) -> ProgressBar {
    styled(ProgressBar::new(total as u64), ITEMS, what)
}

/// The time that has gone by, for work whose amount is not known.
pub(crate) fn work(what: &'static str) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), WORK, what);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

/// Shows the time that goes by while something is done.
pub(crate) fn during<T>(what: &'static str, act: impl FnOnce() -> T) -> T {
    let bar = work(what);
    let done = act();
    bar.finish_and_clear();
    done
}

fn styled(bar: ProgressBar, template: &str, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the templates above are well-formed");
    bar.with_style(style.progress_chars("=> ")).with_prefix(what)
}
