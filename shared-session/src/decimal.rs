//! Numbers as decimal digits, without an allocation.

/// The number of digits of the largest number.
const MOST: usize = 20;

/// The end of the digits: there is room for a mark before the longest number, and for a line end.
const END: usize = 1 + MOST;

/// The digits of a number.
#[derive(Clone, Copy)]
pub(crate) struct Decimal {
    text: [u8; END + 2],
    start: usize,
}

impl Decimal {
    pub(crate) fn of(number: u64) -> Self {
        let mut decimal = Self { text: *b"000000000000000000000\r\n", start: END };
        let mut left = number;
        for digit in decimal.text.iter_mut().take(END).rev() {
            *digit += (left % 10) as u8;
            left /= 10;
            decimal.start -= 1;
            if left == 0 {
                break;
            }
        }
        decimal
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(self.start..END).unwrap_or_default()
    }

    /// A line of Redis' protocol: `mark`, the digits and a line end.
    #[cfg(feature = "redis")]
    pub(crate) fn as_line(&mut self, mark: u8) -> &[u8] {
        let start = self.start.saturating_sub(1);
        if let Some(first) = self.text.get_mut(start) {
            *first = mark;
        }
        self.text.get(start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_display_writes() {
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX - 1, u64::MAX] {
            assert_eq!(Decimal::of(number).as_bytes(), number.to_string().as_bytes());
            assert_eq!(Decimal::of(number).as_line(b'$'), format!("${number}\r\n").as_bytes());
        }
    }
}
