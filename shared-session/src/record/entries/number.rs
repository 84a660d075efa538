//! Numbers in JSON text that Rust's number types, or Python's floats, cannot represent.

/// The numbers of a JSON text that are not 64-bit integers and that a 64-bit float rounds: reading one as a float and
/// writing it changes it.
pub(super) fn beyond_64_bits(text: &[u8]) -> impl Iterator<Item = &str> {
    numbers(text).filter(|number| {
        if is_integer(number) {
            number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
        } else {
            !is_exact_float(number)
        }
    })
}

/// Whether a float of 64 bits rounds a number in the text that is not an integer. Python's integers have any size.
#[cfg(feature = "django")]
pub(crate) fn has_rounded_float(text: &[u8]) -> bool {
    numbers(text).any(|number| !is_integer(number) && !is_exact_float(number))
}

fn is_integer(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// Whether the parsed float is exactly this number, or is written with the same digits again, or with others that are
/// as near to it.
fn is_exact_float(number: &str) -> bool {
    let Ok(float) = number.parse::<f64>() else { return false };
    float.is_finite() && (decimal(number) == decimal(&format!("{float:e}")) || is_as_near(number, float))
}

/// Whether `float` is `number`, or lies halfway between it and another one of as many digits. Writers may choose
/// either: for 865241179069286.25 one writes `….2` and another `….3`.
fn is_as_near(number: &str, float: f64) -> bool {
    /// More digits than 18 and a 5 have no tie within the precision of a float.
    const MOST: usize = 19;
    let exact = decimal(&format!("{float:.1100e}"));
    let (Some((digits, last)), Some((exact, exact_last))) = (decimal(number), exact) else { return false };
    if (&digits, last) == (&exact, exact_last) {
        return true;
    }
    if exact.len() > MOST || digits.len() > MOST {
        return false;
    }
    let value = |digits: &[u8]| digits.iter().fold(0_u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let Ok(scale) = u32::try_from(last - exact_last) else { return false };
    let scaled = 10_u128.checked_pow(scale).and_then(|power| value(&digits).checked_mul(power));
    scale > 0 && scaled.is_some_and(|scaled| scaled.abs_diff(value(&exact)) == 5)
}

/// The significant digits of a number, and the power of ten of the last one. Zero has no digits.
fn decimal(number: &str) -> Option<(Vec<u8>, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit);
    let mut digits: Vec<u8> = digits.skip_while(|digit| *digit == b'0').collect();
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    digits.truncate(digits.len() - zeros);
    if digits.is_empty() {
        return Some((digits, 0));
    }
    let exponent: i64 = exponent.parse().ok()?;
    let last = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(i64::try_from(zeros).ok()?)?;
    Some((digits, last))
}

fn numbers(text: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            match rest {
                [] => return None,
                [b'"', after @ ..] => rest = after_string(after),
                [b'-' | b'0'..=b'9', ..] => {
                    let len = rest.iter().take_while(|byte| is_part(**byte)).count();
                    let (number, after) = rest.split_at(len);
                    rest = after;
                    return std::str::from_utf8(number).ok();
                }
                [_, after @ ..] => rest = after,
            }
        }
    })
}

const fn is_part(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// The text after a string whose first quotation mark was read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [] => return rest,
            [b'"', after @ ..] => return after,
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_64_bits_do_not_hold_are_found() {
        let text = br#"{"1e999":[1,-2.5,"3e400","\"4e400\\",18446744073709551615,18446744073709551616,
            -9223372036854775808,-9223372036854775809,1e400,1e-400,12345678901234567890.5,0.1,1E5,0.10,0e999,-0.0,
            865241179069286.2,865241179069286.3,865241179069286.25,9007199254740993.0,5e-324,1.7976931348623157e308,100000000000000000000.0,0.1000000000000000055,1e99999999999999999999]}"#;
        let found: Vec<_> = beyond_64_bits(text).collect();
        let expected = [
            "18446744073709551616",
            "-9223372036854775809",
            "1e400",
            "1e-400",
            "12345678901234567890.5",
            "9007199254740993.0",
            "0.1000000000000000055",
            "1e99999999999999999999",
        ];
        assert_eq!(found, expected);
    }

    #[cfg(feature = "django")]
    #[test]
    fn integers_of_any_size_are_not_rounded() {
        assert!(!has_rounded_float(b"[123456789012345678901234567890,0.1]"));
        assert!(has_rounded_float(b"[12345678901234567890.5]"));
    }

    proptest::proptest! {
        #[test]
        fn the_text_of_a_float_by_serde_is_exact(bits: u64, large in 1e14..1e17) {
            for float in [f64::from_bits(bits), large] {
            if float.is_finite() {
                let text = serde_json::to_vec(&[float]).unwrap_or_default();
                proptest::prop_assert_eq!(beyond_64_bits(&text).count(), 0);
            }
            }
        }
    }
}
