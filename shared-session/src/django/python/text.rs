//! Python values as text, as Python and Django write them.

use super::value::{PyDate, PyOffset, PyTime, PyTimeDelta, PyValue};

/// `repr` of a finite float.
pub(in crate::django) fn float(number: f64) -> String {
    let short = format!("{number:e}");
    let Some((mantissa, Ok(exponent))) = short.split_once('e').map(|(m, e)| (m, e.parse::<i32>())) else {
        return short;
    };
    match exponent {
        -4..16 => format!("{number:?}"),
        ..-4 => format!("{mantissa}e-{:02}", exponent.unsigned_abs()),
        _ => format!("{mantissa}e+{exponent:02}"),
    }
}

/// `json.dumps` of a non-finite float.
pub(in crate::django) fn beyond(number: f64) -> &'static str {
    match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// The string that `DjangoJSONEncoder` writes for a value: times are cut to milliseconds, UTC is `Z`.
pub(in crate::django) fn django(value: &PyValue) -> Option<String> {
    match value {
        PyValue::DateTime(value) => {
            let offset = offset(&value.time.offset)?;
            let offset = if offset == "+00:00" { "Z".to_owned() } else { offset };
            Some(format!("{}T{}{offset}", date(value.date), clock(&value.time, 3)))
        }
        PyValue::Date(value) => Some(date(*value)),
        // The encoder refuses times with a zone.
        PyValue::Time(value) if value.offset == PyOffset::None => Some(clock(value, 3)),
        PyValue::TimeDelta(value) => Some(duration(*value)),
        PyValue::Decimal(text) => Some(text.clone()),
        PyValue::Uuid(bytes) => Some(uuid(*bytes)),
        _ => None,
    }
}

/// The string that Rust types read: as [`django`], but exact, and with RFC 9557's suffix for a named zone.
pub(in crate::django) fn view(value: &PyValue) -> Option<String> {
    match value {
        PyValue::DateTime(value) => Some(format!("{}T{}", date(value.date), zoned(&value.time))),
        PyValue::Time(value) => Some(zoned(value)),
        PyValue::TimeDelta(_) => None,
        _ => django(value),
    }
}

fn zoned(time: &PyTime) -> String {
    let offset = match &time.offset {
        PyOffset::Named(name) => format!("[{name}]"),
        offset => self::offset(offset).unwrap_or_default(),
    };
    clock(time, 6) + &offset
}

/// The offset in the format of `isoformat`; that of a named zone is unknown here.
fn offset(offset: &PyOffset) -> Option<String> {
    let east = match offset {
        PyOffset::None => return Some(String::new()),
        PyOffset::Named(_) => return None,
        PyOffset::Fixed(east) => *east,
    };
    let (sign, by) = (if east < 0 { '-' } else { '+' }, east.unsigned_abs());
    let seconds = if by % 60 == 0 { String::new() } else { format!(":{:02}", by % 60) };
    Some(format!("{sign}{:02}:{:02}{seconds}", by / 3600, by / 60 % 60))
}

/// `total_seconds`.
pub(in crate::django) fn seconds(delta: PyTimeDelta) -> f64 {
    let micros = micros(delta);
    if micros.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS {
        return micros as f64 / 1e6;
    }
    // A float may not hold all digits: the whole seconds are exact, and the rest rounds once.
    micros.div_euclid(1_000_000) as f64 + micros.rem_euclid(1_000_000) as f64 / 1e6
}

/// In microseconds the longest timedelta needs more than 64 bits.
fn micros(delta: PyTimeDelta) -> i128 {
    let seconds = i128::from(delta.days) * 86_400 + i128::from(delta.seconds);
    seconds * 1_000_000 + i128::from(delta.microseconds)
}

fn date(date: PyDate) -> String {
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

/// The time of day, without a fraction if it is zero.
fn clock(time: &PyTime, digits: usize) -> String {
    let mut out = format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    if time.microsecond != 0 {
        let fraction = format!(".{:06}", time.microsecond);
        out.push_str(fraction.get(..=digits).unwrap_or(&fraction));
    }
    out
}

/// Django's `duration_iso_string`.
fn duration(delta: PyTimeDelta) -> String {
    let micros = micros(delta);
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, micros) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{sign}P{days}DT{hours:02}H{minutes:02}M{:02}{fraction}S", seconds % 60)
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)];
    parts.map(Option::unwrap_or_default).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `duration_iso_string` and `total_seconds` of `timedelta.max`, `timedelta.min` and minus one day.
    #[test]
    fn the_longest_timedeltas_are_written_as_python_does() {
        let longest = PyTimeDelta { days: 999_999_999, seconds: 86_399, microseconds: 999_999 };
        assert_eq!(duration(longest), "P999999999DT23H59M59.999999S");
        assert_eq!(seconds(longest), 86_399_999_999_999.999_999);
        let shortest = PyTimeDelta { days: -999_999_999, seconds: 0, microseconds: 0 };
        assert_eq!((duration(shortest).as_str(), seconds(shortest)), ("-P999999999DT00H00M00S", -86_399_999_913_600.0));
        let negative = PyTimeDelta { days: -1, seconds: 86_399, microseconds: 0 };
        assert_eq!((duration(negative).as_str(), seconds(negative)), ("-P0DT00H00M01S", -1.0));
    }
}
