//! Dates and times of day as ISO 8601 text: each has one form, and no other is taken.

/// A time of day, perhaps on a date, as its text says it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moment<'a> {
    /// What a clock and a calendar show.
    pub(crate) shown: &'a str,
    pub(crate) offset: Option<Offset<'a>>,
}

/// How far clocks are ahead of UTC.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offset<'a> {
    pub(crate) text: &'a str,
    pub(crate) microseconds: i64,
}

/// Whether a text is a date: `2024-05-06`.
pub(crate) fn is_date(text: &str) -> bool {
    let mut reader = Reader(text);
    reader.date().is_some() && reader.0.is_empty()
}

/// The date and time of day that a text is: `2024-05-06T07:08:09.000010+02:00`.
pub(crate) fn date_time(text: &str) -> Option<Moment<'_>> {
    let mut reader = Reader(text);
    reader.date()?;
    reader.mark('T')?;
    reader.moment(text)
}

/// The time of day that a text is: `07:08:09`.
pub(crate) fn time(text: &str) -> Option<Moment<'_>> {
    Reader(text).moment(text)
}

/// What is left of a text.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn date(&mut self) -> Option<()> {
        let year = self.number(4, 1..=9999)?;
        self.mark('-')?;
        let month = self.number(2, 1..=12)?;
        self.mark('-')?;
        self.number(2, 1..=days(year, month)).map(drop)
    }

    /// The rest of a text: a time of day, and the offset if there is one.
    fn moment(&mut self, text: &'a str) -> Option<Moment<'a>> {
        self.hours_and_minutes()?;
        self.mark(':')?;
        self.number(2, 0..=59)?;
        self.fraction()?;
        let (shown, left) = text.split_at(text.len() - self.0.len());
        let offset = if left.is_empty() { None } else { Some(self.offset()?) };
        Some(Moment { shown, offset })
    }

    /// Seconds stand there only if there are any, or a fraction of one.
    fn offset(&mut self) -> Option<Offset<'a>> {
        let text = self.0;
        let sign = if self.mark('+').is_some() { 1 } else { self.mark('-').map(|()| -1)? };
        let minutes = self.hours_and_minutes()?;
        let (mut seconds, mut fraction) = (0, 0);
        if self.mark(':').is_some() {
            seconds = self.number(2, 0..=59)?;
            fraction = self.fraction()?;
            if seconds == 0 && fraction == 0 {
                return None;
            }
        }
        let microseconds = sign * (i64::from(60 * minutes + seconds) * 1_000_000 + i64::from(fraction));
        (self.0.is_empty() && (sign, microseconds) != (-1, 0)).then_some(Offset { text, microseconds })
    }

    fn hours_and_minutes(&mut self) -> Option<u32> {
        let hours = self.number(2, 0..=23)?;
        self.mark(':')?;
        Some(60 * hours + self.number(2, 0..=59)?)
    }

    /// Microseconds, which stand there only if there are any.
    fn fraction(&mut self) -> Option<u32> {
        if self.mark('.').is_some() { self.number(6, 1..=999_999) } else { Some(0) }
    }

    fn number(&mut self, digits: usize, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| are_digits && range.contains(number))
    }

    fn mark(&mut self, mark: char) -> Option<()> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(())
    }
}

/// How many days a month has, in the Gregorian calendar, which is taken to have been there always.
fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moment_has_one_text() {
        for good in ["0001-01-01", "9999-12-31", "2024-02-29", "2000-02-29", "1900-02-28", "2023-04-30"] {
            assert!(is_date(good), "{good}");
            assert!(date_time(&format!("{good}T23:59:59.999999-23:59:59.999999")).is_some(), "{good}");
        }
        let bad = [
            "",
            "2024",
            "2024-05",
            "2024-5-06",
            "2024-05-6",
            "20240506",
            "0000-01-01",
            "2024-00-01",
            "2024-13-01",
            "2024-05-00",
            "2024-05-32",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-05-06 ",
            " 2024-05-06",
            "2024-05-06T",
            "+024-05-06",
            "-2024-05-06",
            "12024-05-06",
            "2024/05/06",
            "2024-05-0\u{0661}",
            "\u{1f980}",
            "2024-W19-1",
        ];
        for bad in bad {
            assert!(!is_date(bad), "{bad}");
        }
        let bad = [
            "",
            "7:08:09",
            "07:08",
            "07",
            "24:00:00",
            "07:60:00",
            "07:08:60",
            "07:08:09.",
            "07:08:09.000000",
            "07:08:09.5",
            "07:08:09.0000001",
            "07:08:09,500000",
            "07:08:09Z",
            "07:08:09z",
            "07:08:09+02",
            "07:08:09+0200",
            "07:08:09+02:00:00",
            "07:08:09+02:00:00.000000",
            "07:08:09+02:00:01.000000",
            "07:08:09-00:00",
            "07:08:09+24:00",
            "07:08:09+02:60",
            "07:08:09+02:00:60",
            "07:08:09+02:00:01.5",
            "07:08:09 +02:00",
            "07:08:09+02:00 ",
            "07:08:09+02:00.000001",
            "07:08:09\u{2212}02:00",
            "+7:08:09",
            "07:08:09+-2:00",
            "T07:08:09",
            "07:08:0\u{0661}",
        ];
        for bad in bad {
            assert_eq!(time(bad), None, "{bad}");
            assert_eq!(date_time(&format!("2024-05-06T{bad}")), None, "{bad}");
        }
        assert_eq!(date_time("2024-05-06 07:08:09"), None);
        assert_eq!(date_time("2024-05-06t07:08:09"), None);
    }

    #[test]
    fn an_offset_is_told_from_what_is_shown() {
        let offset = |text: &'static str| time(text).unwrap().offset.map(|offset| (offset.text, offset.microseconds));
        assert_eq!(time("07:08:09.000010").unwrap(), Moment { shown: "07:08:09.000010", offset: None });
        assert_eq!(date_time("2024-05-06T07:08:09-03:30").unwrap().shown, "2024-05-06T07:08:09");
        assert_eq!(offset("00:00:00+00:00"), Some(("+00:00", 0)));
        assert_eq!(offset("00:00:00-03:30"), Some(("-03:30", -12_600_000_000)));
        assert_eq!(offset("00:00:00.000001+02:00:07"), Some(("+02:00:07", 7_207_000_000)));
        assert_eq!(offset("00:00:00-00:00:00.000001"), Some(("-00:00:00.000001", -1)));
        assert_eq!(offset("00:00:00+23:59:59.999999"), Some(("+23:59:59.999999", 86_399_999_999)));
    }
}
