//! Time on the wire: instants are RFC 3339 text, spans are text such as `30s`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant as RFC 3339 text. What the server makes is in UTC with milliseconds, such as `2025-11-29T14:30:00.000Z`.
pub type Timestamp = String;

/// An instant read from RFC 3339 text: whole seconds since 1970 (UTC, without leap seconds) and nanoseconds after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z; negative before it.
    pub unix_seconds: i64,
    /// Nanoseconds after that second, below 1,000,000,000; further digits are cut off.
    pub nanoseconds: u32,
}

/// Why a text is not an RFC 3339 instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// The text has another form.
    #[error("is not RFC 3339 (like 2025-11-29T14:30:00Z or 2025-11-29T15:30:00.5+01:00)")]
    Form,
    /// The offset from UTC is missing.
    #[error("has no offset: end it with Z or an offset such as +01:00")]
    NoOffset,
    /// A part is outside its range.
    #[error("names a {0} that does not exist")]
    Range(&'static str),
    /// Second 60 where no leap second can be.
    #[error("has second 60, which exists only at 23:59:60 UTC on 30 June or 31 December")]
    LeapSecond,
}

impl Instant {
    /// Reads RFC 3339 text. A leap second counts as the second after it, as in unix time.
    pub fn parse(text: &str) -> Result<Instant, InvalidTime> {
        let b = text.as_bytes();
        if b.len() < 19 {
            return Err(InvalidTime::Form);
        }
        let digits = |from: usize, count: usize| -> Result<u32, InvalidTime> {
            let mut value = 0;
            for &byte in b.get(from..from + count).ok_or(InvalidTime::Form)? {
                if !byte.is_ascii_digit() {
                    return Err(InvalidTime::Form);
                }
                value = value * 10 + u32::from(byte - b'0');
            }
            Ok(value)
        };
        let marks =
            b[4] == b'-' && b[7] == b'-' && matches!(b[10], b'T' | b't') && b[13] == b':' && b[16] == b':';
        if !marks {
            return Err(InvalidTime::Form);
        }
        let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
        let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
        if !(1..=12).contains(&month) {
            return Err(InvalidTime::Range("month"));
        }
        if day == 0 || day > days_in(year, month) {
            return Err(InvalidTime::Range("day"));
        }
        if hour > 23 {
            return Err(InvalidTime::Range("hour"));
        }
        if minute > 59 {
            return Err(InvalidTime::Range("minute"));
        }
        if second > 60 {
            return Err(InvalidTime::Range("second"));
        }
        let (nanoseconds, at) = fraction(b, 19)?;
        let offset = offset_seconds(b, at, digits)?;
        let days = days_since_1970(i64::from(year), month, day);
        let unix_seconds =
            days * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second) - offset;
        if second == 60 && !ends_a_half_year(unix_seconds) {
            return Err(InvalidTime::LeapSecond);
        }
        Ok(Instant { unix_seconds, nanoseconds })
    }

    /// Returns the milliseconds since 1970, rounded down.
    pub fn unix_ms(self) -> i64 {
        self.unix_seconds * 1000 + i64::from(self.nanoseconds / 1_000_000)
    }
}

/// Returns the RFC 3339 text of a time in milliseconds since 1970: UTC with three digits, such as
/// `2025-11-29T14:30:00.000Z`. Times outside the years 0000 to 9999 become the nearest one inside.
pub fn format_ms(unix_ms: i64) -> Timestamp {
    let unix_ms = unix_ms.clamp(-62_167_219_200_000, 253_402_300_799_999);
    let (seconds, ms) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date_of(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn fraction(b: &[u8], from: usize) -> Result<(u32, usize), InvalidTime> {
    if b.get(from) != Some(&b'.') {
        return Ok((0, from));
    }
    let digits = b[from + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return Err(InvalidTime::Form);
    }
    let mut value = 0;
    for place in 0..9 {
        let digit = if place < digits { u32::from(b[from + 1 + place] - b'0') } else { 0 };
        value = value * 10 + digit;
    }
    Ok((value, from + 1 + digits))
}

fn offset_seconds(
    b: &[u8],
    at: usize,
    digits: impl Fn(usize, usize) -> Result<u32, InvalidTime>,
) -> Result<i64, InvalidTime> {
    match b.get(at) {
        None => Err(InvalidTime::NoOffset),
        Some(b'Z' | b'z') if b.len() == at + 1 => Ok(0),
        Some(sign @ (b'+' | b'-')) if b.len() == at + 6 && b[at + 3] == b':' => {
            let (hours, minutes) = (digits(at + 1, 2)?, digits(at + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return Err(InvalidTime::Range("offset"));
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            Ok(if *sign == b'-' { -seconds } else { seconds })
        }
        Some(_) => Err(InvalidTime::Form),
    }
}

fn ends_a_half_year(unix_seconds: i64) -> bool {
    let (_, month, day) = date_of(unix_seconds.div_euclid(86_400));
    unix_seconds.rem_euclid(86_400) == 0 && day == 1 && (month == 1 || month == 7)
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// The civil calendar as eras of 400 years that begin in March, so that the leap day comes last.
fn days_since_1970(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_of(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A span of time. Written as text, largest unit first: `1h30m`, `30s`, `250ms`, `7d`; read from the same, or from a number of
/// seconds. At most 100 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

/// Why a text is not a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpan {
    /// The text has another form.
    #[error("`{0}` is not a span of time (write 250ms, 30s, 10m, 1h30m or 7d)")]
    Form(String),
    /// The span is longer than 100 years.
    #[error("a span of time is at most 100 years")]
    TooLong,
}

const SPAN_MAX: Duration = Duration::from_secs(100 * 366 * 86_400);
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Span {
    /// Returns the span of that many milliseconds, 100 years at most.
    pub fn from_ms(ms: u64) -> Span {
        Span(Duration::from_millis(ms).min(SPAN_MAX))
    }

    /// Returns the span of that many seconds, 100 years at most.
    pub fn from_secs(seconds: u64) -> Span {
        Span(Duration::from_secs(seconds).min(SPAN_MAX))
    }

    /// Returns it as a duration.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// Returns its milliseconds.
    pub fn as_ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).expect("a span is at most 100 years")
    }

    /// Reads `1h30m`, `250ms`, `1.5s`, or a plain number of seconds.
    pub fn parse(text: &str) -> Result<Span, InvalidSpan> {
        let form = || InvalidSpan::Form(text.chars().take(40).collect());
        let trimmed = text.trim();
        if !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Span::of_seconds(trimmed.parse().map_err(|_| form())?).ok_or(InvalidSpan::TooLong);
        }
        let (mut rest, mut total_ms, mut units_left) = (trimmed, 0f64, &UNITS[..]);
        if rest.is_empty() {
            return Err(form());
        }
        while !rest.is_empty() {
            let number_len = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
            let number: f64 = rest[..number_len].parse().map_err(|_| form())?;
            rest = &rest[number_len..];
            let unit_len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = units_left.iter().position(|(name, _)| *name == &rest[..unit_len]).ok_or_else(form)?;
            total_ms += number * units_left[unit].1 as f64;
            units_left = &units_left[unit + 1..];
            rest = &rest[unit_len..];
        }
        Span::of_seconds(total_ms / 1000.0).ok_or(InvalidSpan::TooLong)
    }

    fn of_seconds(seconds: f64) -> Option<Span> {
        let inside = seconds >= 0.0 && seconds <= SPAN_MAX.as_secs_f64();
        inside.then(|| Span(Duration::from_millis((seconds * 1000.0).round() as u64)))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).min(SPAN_MAX))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ms = self.as_ms();
        if ms == 0 {
            return out.write_str("0s");
        }
        for (name, unit_ms) in &UNITS[1..] {
            if ms >= *unit_ms {
                write!(out, "{}{name}", ms / unit_ms)?;
                ms %= unit_ms;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a span of time such as \"30s\", or a number of seconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
                self.visit_f64(seconds as f64)
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
                self.visit_f64(seconds as f64)
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
                if seconds < 0.0 {
                    return Err(E::custom("a span of time cannot be negative"));
                }
                Span::of_seconds(seconds).ok_or_else(|| E::custom(InvalidSpan::TooLong))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Result<i64, InvalidTime> {
        Instant::parse(text).map(|instant| instant.unix_seconds)
    }

    #[test]
    fn an_instant_is_read_with_its_offset() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(seconds("2020-06-18T19:24:53+02:00"), seconds("2020-06-18T17:24:53Z"));
        assert_eq!(seconds("2020-02-29t12:00:00z"), Ok(1_582_977_600));
        assert_eq!(seconds("0000-01-01T00:00:00-00:00"), Ok(-62_167_219_200));
        assert_eq!(seconds("9999-12-31T23:59:59Z"), Ok(253_402_300_799));
    }

    #[test]
    fn a_fraction_may_have_any_number_of_digits() {
        let instant = Instant::parse("2025-11-29T14:30:00.123456789123Z").unwrap();
        assert_eq!(instant.nanoseconds, 123_456_789);
        assert_eq!(Instant::parse("2025-11-29T14:30:00.5Z").unwrap().unix_ms() % 1000, 500);
        assert_eq!(seconds("2025-11-29T14:30:00.Z"), Err(InvalidTime::Form));
    }

    #[test]
    fn second_60_is_read_only_where_a_leap_second_can_be() {
        assert_eq!(seconds("2016-12-31T23:59:60Z"), seconds("2017-01-01T00:00:00Z"));
        assert_eq!(seconds("1990-12-31T15:59:60-08:00"), seconds("1991-01-01T00:00:00Z"));
        assert_eq!(seconds("2015-06-30T23:59:60.5Z"), seconds("2015-07-01T00:00:00Z"));
        for text in ["2016-12-31T23:58:60Z", "2016-12-30T23:59:60Z", "2016-12-31T23:59:60+01:00"] {
            assert_eq!(seconds(text), Err(InvalidTime::LeapSecond), "{text}");
        }
        assert_eq!(seconds("2016-12-31T23:59:61Z"), Err(InvalidTime::Range("second")));
    }

    #[test]
    fn what_is_no_instant_is_told_apart() {
        assert_eq!(seconds("2025-11-29T14:30:00"), Err(InvalidTime::NoOffset));
        assert_eq!(seconds("2025-02-29T14:30:00Z"), Err(InvalidTime::Range("day")));
        assert_eq!(seconds("2025-13-01T14:30:00Z"), Err(InvalidTime::Range("month")));
        assert_eq!(seconds("2025-11-29T24:00:00Z"), Err(InvalidTime::Range("hour")));
        assert_eq!(seconds("2025-11-29T14:30:00+24:00"), Err(InvalidTime::Range("offset")));
        for text in [
            "",
            "now",
            "NaN",
            "-001-11-29T14:30:00Z",
            "2025-11-29 14:30:00Z",
            "2025-11-29T14:30Z",
            "1764426600",
            "2025-11-29T14:30:00+0100",
            "2025-11-29T14:30:00Zx",
            "20255-11-29T14:30:00Z",
            "２０２５-11-29T14:30:00Z",
        ] {
            assert_eq!(seconds(text), Err(InvalidTime::Form), "{text}");
        }
    }

    #[test]
    fn format_and_parse_agree_at_the_edges_of_the_calendar() {
        for ms in [
            0,
            -1,
            951_782_400_000,
            1_709_164_800_123,
            4_107_542_400_000,
            253_402_300_799_999,
            -62_167_219_200_000,
        ] {
            assert_eq!(Instant::parse(&format_ms(ms)).unwrap().unix_ms(), ms);
        }
        assert_eq!(format_ms(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_span_is_read_in_units_or_seconds() {
        let ms = |text: &str| Span::parse(text).map(Span::as_ms);
        assert_eq!(ms("30s"), Ok(30_000));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("1.5s"), Ok(1500));
        assert_eq!(ms("30"), Ok(30_000));
        assert_eq!(ms("2w"), Ok(1_209_600_000));
        assert_eq!(serde_json::from_str::<Span>("2.5").unwrap().as_ms(), 2500);
        assert_eq!(serde_json::to_string(&Span::from_ms(5_400_250)).unwrap(), r#""1h30m250ms""#);
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "s", "30x", "-5s", "5 s", "1m1h", "1s1s", "1e9s", "..s", "NaN", "5é", "1é"] {
            assert!(matches!(Span::parse(text), Err(InvalidSpan::Form(_))), "{text}");
        }
        assert_eq!(Span::parse("40000d"), Err(InvalidSpan::TooLong));
        assert!(serde_json::from_str::<Span>("-1").is_err());
    }
}
