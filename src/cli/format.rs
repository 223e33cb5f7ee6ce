//! Numbers, times and tables for people. Nothing depends on colour or on the width of a terminal.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, presets};

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// What is printed for people: finished lines.
#[derive(Debug, Default)]
pub(crate) struct Report(String);

impl Report {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn line(&mut self, line: impl fmt::Display) {
        self.0 += &line.to_string();
        self.0.push('\n');
    }

    /// A table with a head. Columns named in `right` hold numbers.
    pub(crate) fn table(&mut self, head: &[&str], right: &[usize], rows: impl IntoIterator<Item = Vec<String>>) {
        let mut table = Table::new();
        let rule = LineStyle::none().fill('-').junction('-');
        table.force_no_tty().load_style(presets::NOTHING.header_separator(rule)).set_header(head);
        table.add_rows(rows.into_iter().map(clean_row));
        for &column in right {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.line(table.trim_fmt());
    }

    /// Facts, one a line: what, and its value.
    pub(crate) fn facts(&mut self, facts: impl IntoIterator<Item = (&'static str, String)>) {
        let mut table = Table::new();
        table.force_no_tty().load_style(presets::NOTHING);
        table.add_rows(facts.into_iter().map(|(what, value)| clean_row(vec![what.to_owned(), value])));
        self.line(table.trim_fmt());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn clean_row(row: Vec<String>) -> Vec<String> {
    row.into_iter().map(|cell| clean(&cell).into_owned()).collect()
}

/// The text with control characters spelled out: what others wrote into a store does not drive the terminal.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let spell = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(spell).collect())
}

/// A size with three or four digits and its unit.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024.0 is shown as 1.0 of the next unit.
    while value >= 1023.95 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number and the noun it counts.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if stem != "arra" => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

/// How much a part is of the whole, rounded down; `None` if there is no whole.
pub(crate) fn percent(part: u64, whole: u64) -> Option<String> {
    (u128::from(part) * 100).checked_div(u128::from(whole)).map(|percent| format!("{percent} %"))
}

pub(crate) fn time(elapsed: Duration) -> String {
    format!("{elapsed:.1?}").replace('\u{b5}', "u")
}

/// A point of time as programs read it. Times beyond the calendar are given as the number they are.
pub(crate) fn rfc3339(nanoseconds: i128) -> String {
    jiff::Timestamp::from_nanosecond(nanoseconds).map_or_else(|_| format!("{nanoseconds} ns"), |time| time.to_string())
}

/// A point of time as people read it, where they are.
pub(crate) fn local_time(nanoseconds: i128) -> String {
    match jiff::Timestamp::from_nanosecond(nanoseconds) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => format!("{nanoseconds} ns"),
    }
}

/// A shape as Python writes it.
pub(crate) fn shape(extents: &[u64]) -> String {
    match extents {
        [one] => format!("({one},)"),
        many => format!("({})", many.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_keeps_them_short() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn a_part_of_nothing_has_no_percentage() {
        assert_eq!([percent(1, 0), percent(2, 3), percent(3, 2)], [None, Some("66 %".into()), Some("150 %".into())]);
        assert_eq!(percent(u64::MAX, u64::MAX), Some("100 %".into()));
    }

    #[test]
    fn nouns_follow_their_number() {
        let said = [count(1, "entry"), count(2, "entry"), count(0, "blob"), count(3, "array")];
        assert_eq!(said, ["1 entry", "2 entries", "0 blobs", "3 arrays"]);
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(clean("a\u{1b}[31mb\nc \u{e9}"), "a\\u{1b}[31mb\\nc \u{e9}");
    }

    #[test]
    fn times_are_utc_for_programs_and_never_fail() {
        assert_eq!(rfc3339(1_500_000_000), "1970-01-01T00:00:01.5Z");
        assert_eq!(rfc3339(i128::MAX), format!("{} ns", i128::MAX));
    }

    #[test]
    fn shapes_look_like_tuples() {
        assert_eq!([shape(&[]), shape(&[3]), shape(&[3, 4])], ["()", "(3,)", "(3, 4)"]);
    }

    #[test]
    fn a_table_has_its_numbers_to_the_right() {
        let mut report = Report::new();
        report.table(&["name", "bytes"], &[1], [vec!["a".into(), "1".into()], vec!["bc".into(), "200".into()]]);
        assert_eq!(report.to_string(), " name   bytes\n--------------\n a          1\n bc       200\n");
    }
}
