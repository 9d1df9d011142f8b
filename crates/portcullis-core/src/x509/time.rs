//! When a certificate is valid.
//!
//! RFC 5280 §4.1.2.5. Times are seconds since 1970, without leap seconds; a certificate may begin
//! or end before that.

use core::fmt;

use rustls_pki_types::UnixTime;

use crate::der::{self, Reader, SEQUENCE};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notBefore` and `notAfter`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

impl Validity {
    /// From a Validity with its header.
    pub(super) fn read(validity: &[u8]) -> Option<Self> {
        let mut times = Reader::new(der::only(validity, SEQUENCE)?);
        let not_before = read_time(&mut times)?;
        let not_after = read_time(&mut times)?;
        times.is_empty().then_some(Self {
            not_before,
            not_after,
        })
    }

    /// At all times.
    pub(super) const ALWAYS: Self = Self {
        not_before: i64::MIN,
        not_after: i64::MAX,
    };

    /// When both are valid.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }

    pub(super) fn contains(&self, time: UnixTime) -> bool {
        let time = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        (self.not_before..=self.not_after).contains(&time)
    }
}

/// Whether a time comes next.
pub(super) fn is_time(times: &Reader<'_>) -> bool {
    matches!(times.rest().first(), Some(&(UTC_TIME | GENERALIZED_TIME)))
}

/// §4.1.2.5.1, §4.1.2.5.2: in Greenwich Mean Time, with seconds and without fractions of them.
pub(super) fn read_time(times: &mut Reader<'_>) -> Option<i64> {
    let time = times.any()?;
    let (year, rest) = match time.tag {
        UTC_TIME => {
            let (year, rest) = number::<2>(time.contents)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => number::<4>(time.contents)?,
        _ => return None,
    };
    let (month, rest) = number::<2>(rest)?;
    let (day, rest) = number::<2>(rest)?;
    let (hour, rest) = number::<2>(rest)?;
    let (minute, rest) = number::<2>(rest)?;
    let (second, rest) = number::<2>(rest)?;
    let is_time = (1..=12).contains(&month)
        && (1..=days_in(month, year)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && rest == b"Z";
    let seconds = (hour * 60 + minute) * 60 + second;
    is_time.then(|| days_before(year, month, day) * SECONDS_OF_A_DAY + seconds)
}

/// The number in the first `N` digits, and what follows.
fn number<const N: usize>(text: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<N>()?;
    let mut value = 0;
    for digit in digits {
        value = 10 * value + i64::from(char::from(*digit).to_digit(10)?);
    }
    Some((value, rest))
}

const SECONDS_OF_A_DAY: i64 = 86_400;

/// In 400 years of the Gregorian calendar.
const DAYS_OF_AN_ERA: i64 = 146_097;

/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;

const fn days_in(month: i64, year: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March on, so
/// that a leap day is the last of its year.
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month {
        3.. => (year, month - 3),
        _ => (year - 1, month + 9),
    };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = 365 * year + year / 4 - year / 100 + day_of_year;
    era * DAYS_OF_AN_ERA + day_of_era - DAYS_BEFORE_1970
}

/// Year, month and day: the inverse of [`days_before`].
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day) = (
        days.div_euclid(DAYS_OF_AN_ERA),
        days.rem_euclid(DAYS_OF_AN_ERA),
    );
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year;
    match month {
        0..10 => (year, month + 3, day),
        _ => (year + 1, month - 9, day),
    }
}

/// A time for people to read, such as `Nov 28 11:23:26 2026 +00:00`.
pub(super) struct Date(pub(super) UnixTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        const LAST: u64 = 253_402_300_799; // of the year 9999, as far as certificates go
        let seconds = self.0.as_secs();
        let (Ok(at), 0..=LAST) = (i64::try_from(seconds), seconds) else {
            return write!(f, "second {seconds} after 1970");
        };
        let (year, month, day) = date_of(at / SECONDS_OF_A_DAY);
        let month = usize::try_from(month - 1)
            .ok()
            .and_then(|at| MONTHS.get(at));
        let of_day = at % SECONDS_OF_A_DAY;
        write!(
            f,
            "{} {day:2} {:02}:{:02}:{:02} {year} +00:00",
            month.copied().unwrap_or_default(),
            of_day / 3_600,
            of_day / 60 % 60,
            of_day % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn read(tag: u8, text: &str) -> Option<i64> {
        let mut element = vec![tag, u8::try_from(text.len()).unwrap()];
        element.extend_from_slice(text.as_bytes());
        read_time(&mut Reader::new(&element))
    }

    fn shown(seconds: u64) -> String {
        Date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))).to_string()
    }

    #[test]
    fn times_are_read_as_the_rfc_writes_them() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (UTC_TIME, "500101000000Z", -631_152_000),
            (UTC_TIME, "691231235959Z", -1),
            (UTC_TIME, "000229120000Z", 951_825_600),
            (GENERALIZED_TIME, "20500101000000Z", 2_524_608_000),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
            (GENERALIZED_TIME, "00000101000000Z", -62_167_219_200),
        ] {
            assert_eq!(read(tag, text), Some(seconds), "{text}");
        }
        for (tag, text) in [
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "700101000000+0000"),
            (UTC_TIME, "700101000000z"),
            (UTC_TIME, "701301000000Z"),
            (UTC_TIME, "700001000000Z"),
            (UTC_TIME, "700100000000Z"),
            (UTC_TIME, "010229000000Z"),
            (UTC_TIME, "700101240000Z"),
            (UTC_TIME, "700101006000Z"),
            (UTC_TIME, "700101000060Z"),
            (UTC_TIME, "7001010000 0Z"),
            (UTC_TIME, "20500101000000Z"),
            (UTC_TIME, ""),
            (GENERALIZED_TIME, "19000229000000Z"),
            (GENERALIZED_TIME, "20500101000000.5Z"),
            (GENERALIZED_TIME, "500101000000Z"),
            (0x16, "700101000000Z"),
        ] {
            assert_eq!(read(tag, text), None, "{text}");
        }
    }

    #[test]
    fn every_day_is_found_again() {
        let mut expected = (1583, 1, 1);
        for day in days_before(1583, 1, 1)..=days_before(9999, 12, 31) {
            assert_eq!(date_of(day), expected);
            let (year, month, of_month) = expected;
            assert_eq!(days_before(year, month, of_month), day);
            expected = match (month, of_month == days_in(month, year)) {
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
                (_, false) => (year, month, of_month + 1),
            };
        }
    }

    #[test]
    fn dates_for_people() {
        assert_eq!(shown(0), "Jan  1 00:00:00 1970 +00:00");
        assert_eq!(shown(1_795_865_006), "Nov 28 11:23:26 2026 +00:00");
        assert_eq!(shown(253_402_300_799), "Dec 31 23:59:59 9999 +00:00");
        assert_eq!(shown(253_402_300_800), "second 253402300800 after 1970");
        assert_eq!(shown(u64::MAX), format!("second {} after 1970", u64::MAX));
    }
}
