//! The filter for live sessions.

use crate::links::encoded;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The filter; an empty field matches every session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// The name or the id of a user.
    pub user: String,
    /// The start of an address.
    pub address: String,
    /// The time since the start of the session.
    pub age: Age,
}

/// The time since the start of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Age {
    /// Any time.
    #[default]
    Any,
    /// Within the last hour.
    Hour,
    /// Within the last day.
    Day,
    /// More than a day ago.
    OverDay,
    /// More than a week ago.
    OverWeek,
}

impl Age {
    const NAMES: [(&str, Self); 4] =
        [("hour", Self::Hour), ("day", Self::Day), ("over-day", Self::OverDay), ("over-week", Self::OverWeek)];

    /// The age with this name in a URL; an unknown name is [`Any`](Self::Any).
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Any, |(_, age)| *age)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, age)| *age == self).map_or("", |(name, _)| name)
    }

    /// Whether a session matches that started so many seconds ago; `None`: unknown.
    fn fits(self, seconds: Option<i64>) -> bool {
        match (self, seconds) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Hour, Some(seconds)) => seconds <= HOUR,
            (Self::Day, Some(seconds)) => seconds <= DAY,
            (Self::OverDay, Some(seconds)) => seconds > DAY,
            (Self::OverWeek, Some(seconds)) => seconds > 7 * DAY,
        }
    }
}

impl SessionFilter {
    /// Whether a session from this address that started so many seconds ago matches. The user is checked elsewhere.
    #[must_use]
    pub fn fits(&self, address: Option<&str>, seconds: Option<i64>) -> bool {
        self.age.fits(seconds) && address.unwrap_or_default().starts_with(&self.address)
    }

    pub(super) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// The query string, with an `&` at the end.
    pub(super) fn query(&self) -> String {
        let Self { user, address, age } = self;
        if self.is_set() {
            format!("user={}&address={}&age={}&", encoded(user), encoded(address), age.name())
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found_by_address_and_age() {
        let filter =
            |address: &str, age| SessionFilter { address: address.into(), age: Age::named(age), ..<_>::default() };
        let found = |filter: &SessionFilter| {
            [(Some("10.0.0.1"), Some(60)), (Some("10.0.0.2"), Some(2 * DAY)), (None, Some(30 * DAY)), (None, None)]
                .map(|(address, seconds)| filter.fits(address, seconds))
        };
        for (address, age, expected) in [
            ("", "", [true, true, true, true]),
            ("10.", "", [true, true, false, false]),
            ("10.0.0.1", "", [true, false, false, false]),
            ("", "hour", [true, false, false, false]),
            ("", "day", [true, false, false, false]),
            ("", "over-day", [false, true, true, false]),
            ("10.", "over-day", [false, true, false, false]),
            ("", "over-week", [false, false, true, false]),
            ("", "no age", [true, true, true, true]),
        ] {
            assert_eq!(found(&filter(address, age)), expected, "{address:?} {age:?}");
        }
    }

    #[test]
    fn an_address_leads_to_the_same_filter() {
        assert_eq!(SessionFilter::default().query(), "");
        let filter = SessionFilter { user: "a&b".into(), address: "::1".into(), age: Age::OverWeek };
        assert_eq!(filter.query(), "user=a%26b&address=%3A%3A1&age=over-week&");
    }
}
