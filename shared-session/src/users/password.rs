//! Password hashes in Django's formats: verifies all of them, writes two.

use std::sync::atomic::AtomicBool;

use subtle::ConstantTimeEq;

use crate::{
    error::{Error, ErrorKind},
    random, stderr,
};

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod level;
mod memory;
mod scheme;

pub(super) use level::Level;
#[cfg(test)]
pub(super) use level::{Family, counted};
pub(super) use scheme::Scheme;
use scheme::Stored;

/// The result of [`verify_as`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The password is the one that was hashed.
    Match,
    /// The hash is of another password.
    Mismatch,
    /// No password can match: the account has none, or the stored string is invalid or too costly to compute.
    Unusable,
}

/// Whether `encoded` is a hash of `password`, and the work that was computed, so that every refusal can be made to cost
/// the same. Compares in constant time. Takes a tenth of a second or more of one core.
pub(super) fn verify_as(password: &str, encoded: &str) -> (Option<Scheme>, Verdict) {
    let Some(stored) = Stored::parse(encoded) else {
        if !encoded.is_empty() && !encoded.starts_with('!') {
            warn_of_unknown_format();
        }
        return (None, Verdict::Unusable);
    };
    match stored.scheme.derive(password.as_bytes(), &stored.salt, stored.hash.len()) {
        Some(derived) if bool::from(derived.ct_eq(&stored.hash)) => (Some(stored.scheme), Verdict::Match),
        Some(_) => (Some(stored.scheme), Verdict::Mismatch),
        None => (None, Verdict::Unusable),
    }
}

fn warn_of_unknown_format() {
    static WARNED: AtomicBool = AtomicBool::new(false);
    stderr::warn_once(
        &WARNED,
        "a user's stored password has an unknown format, or a cost beyond the limits, so no password matches it: \
         PasswordHasher lists the formats. A text for \"no password\" begins with !",
    );
}

/// The cost of verifying against `encoded`; `None` for a string that no password matches.
#[cfg(any(test, feature = "postgres", feature = "sqlite"))]
pub(super) fn scheme_of(encoded: &str) -> Option<Scheme> {
    Stored::parse(encoded).map(|stored| stored.scheme)
}

/// The algorithm that hashes new passwords.
///
/// The default is [`argon2id`](Self::argon2id). In a fleet with Django use
/// [`pbkdf2_sha256`](Self::pbkdf2_sha256), which every Django verifies without further packages.
///
/// Hashes are strings, `algorithm$parameters$salt$hash`, exactly as Django stores them. Every hasher verifies `argon2`,
/// `pbkdf2_sha256`, `pbkdf2_sha1`, `scrypt`, `bcrypt` and `bcrypt_sha256`, but not `md5`. It also verifies the strings
/// that other frameworks store: `$argon2id$` (also `i` and `d`), `$2a$`, `$2b$`, `$2y$`, `$scrypt$` and
/// `$pbkdf2-sha256$i=`. Any other string matches no password, such as `!`, which stands for "no password"; the first one
/// that does not begin with `!` is a warning in the log.
///
/// One corrupt row must not stop the process. So a hash whose parameters exceed these limits matches no password
/// either: 10 million PBKDF2 iterations, 256 MiB of memory, bcrypt cost 16, 4 GiB filled in all passes of argon2.
/// Django's own defaults are at most a sixth of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordHasher(Scheme);

impl Default for PasswordHasher {
    fn default() -> Self {
        Self(Scheme::ARGON2ID_OWASP)
    }
}

impl PasswordHasher {
    /// The PBKDF2 iterations of Django 6.1, the highest among its releases (OWASP asks for 600 000).
    pub const DJANGO_ITERATIONS: u32 = 1_500_000;

    /// Argon2id with `memory` KiB, `passes` and `lanes`. The default is 19456, 2 and 1, the first choice of the OWASP
    /// Password Storage Cheat Sheet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if argon2 does not support these parameters, or they exceed the [limits](Self).
    pub fn argon2id(memory: u32, passes: u32, lanes: u32) -> Result<Self, Error> {
        Self::checked(Scheme::argon2id(memory, passes, lanes))
    }

    /// Django's default, PBKDF2 with HMAC-SHA-256. Use the `iterations` of the Django release in the fleet: if its own
    /// number differs, Django rehashes a password at login and ends the user's other sessions.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `iterations` is 0 or beyond the [limit](Self).
    pub fn pbkdf2_sha256(iterations: u32) -> Result<Self, Error> {
        Self::checked(Scheme::Pbkdf2Sha256 { iterations })
    }

    /// As `hash`, on this thread.
    pub(super) fn hash_here(self, password: &str) -> Result<String, Error> {
        // As in Django: 22 letters and digits carry 128 bits.
        let salt = random::text::<22>()?;
        self.0
            .derive(password.as_bytes(), salt.as_bytes(), Scheme::NEW_HASH_LEN)
            .and_then(|hash| self.0.encode(&salt, &hash))
            .ok_or_else(|| Error::new(ErrorKind::Config, "the password hasher refuses its parameters"))
    }

    pub(super) fn scheme(self) -> Scheme {
        self.0
    }

    fn checked(scheme: Scheme) -> Result<Self, Error> {
        if scheme.is_affordable() {
            Ok(Self(scheme))
        } else {
            Err(Error::new(ErrorKind::Config, "the parameters of the password hasher are out of range"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verify(password: &str, encoded: &str) -> Verdict {
        verify_as(password, encoded).1
    }

    const VECTORS: &str = include_str!("../../tests/fixtures/passwords.json");

    fn vectors() -> Vec<(String, String)> {
        let fixture: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let hashers = fixture["hashers"].as_array().unwrap();
        hashers.iter().map(|vector| (text(&vector["password"]), text(&vector["encoded"]))).collect()
    }

    #[test]
    fn every_hash_that_django_made_verifies_and_only_with_its_password() {
        let vectors = vectors();
        assert!(vectors.len() >= 10);
        for (password, encoded) in vectors {
            assert_eq!(verify(&password, &encoded), Verdict::Match, "{encoded}");
            assert_eq!(verify(&format!("{password}."), &encoded), Verdict::Mismatch, "{encoded}");
        }
    }

    #[test]
    fn a_hash_in_the_format_of_its_own_library_verifies_with_the_same_scheme() {
        let mut own: Vec<_> = vectors()
            .into_iter()
            .filter_map(|(password, encoded)| {
                let own = encoded.strip_prefix("argon2").map(|phc| phc.to_owned());
                let own = own.or_else(|| encoded.strip_prefix("bcrypt$").map(str::to_owned))?;
                assert_eq!(scheme_of(&own), scheme_of(&encoded));
                Some((password, own))
            })
            .collect();
        assert!(own.len() >= 9 && own.iter().any(|(_, encoded)| encoded.starts_with("$2b$")));
        // By Python's hashlib.
        own.extend(
            [
                "$2a$06$abcdefghijklmnopqrstuuuaS35oRlX.QC/REzncgRsoFyG588gCS",
                "$2y$06$abcdefghijklmnopqrstuuuaS35oRlX.QC/REzncgRsoFyG588gCS",
                "$scrypt$ln=4,r=8,p=1$c2l4dGVlbiBieXRlICRhbA$6slfFavsb59Vfxo9kE6lNN85FpmJTPZ5xjMeW7LHnGQ",
                "$pbkdf2-sha256$i=1000,l=32$c2l4dGVlbiBieXRlICRhbA$QT+dCwcQRL9GepocoBBvGnMNHn9ua3asucq98PqVJNM",
            ]
            .map(|encoded| ("letmein-é".to_owned(), encoded.to_owned())),
        );
        for (password, encoded) in own {
            assert_eq!(verify(&password, &encoded), Verdict::Match, "{encoded}");
            assert_eq!(verify(&format!("{password}."), &encoded), Verdict::Mismatch, "{encoded}");
        }
    }

    #[test]
    fn a_hash_with_one_changed_character_does_not_match() {
        for (password, encoded) in vectors() {
            let mut broken = encoded.into_bytes();
            // Not the last one, whose low bits may be padding.
            let at = broken.len() - 6;
            broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(verify(&password, std::str::from_utf8(&broken).unwrap()), Verdict::Match);
        }
    }

    #[test]
    fn new_hashes_verify_and_differ() {
        for hasher in [PasswordHasher::default(), PasswordHasher::pbkdf2_sha256(1000).unwrap()] {
            let (one, two) = (hasher.hash_here("é\0x").unwrap(), hasher.hash_here("é\0x").unwrap());
            assert_ne!(one, two);
            assert!(one.len() <= 128, "Django's column is varchar(128)");
            assert_eq!(verify("é\0x", &one), Verdict::Match);
            assert_eq!(verify("é", &one), Verdict::Mismatch);
        }
    }

    #[test]
    fn new_hashes_have_the_form_of_django() {
        let argon2 = PasswordHasher::default().hash_here("p").unwrap();
        assert!(argon2.starts_with("argon2$argon2id$v=19$m=19456,t=2,p=1$"), "{argon2}");
        let pbkdf2 = PasswordHasher::pbkdf2_sha256(1000).unwrap().hash_here("p").unwrap();
        let parts: Vec<_> = pbkdf2.split('$').collect();
        assert_eq!(parts[..2], ["pbkdf2_sha256", "1000"]);
        assert!(parts[2].len() == 22 && parts[2].bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(parts[3].len() == 44 && parts[3].ends_with('='));
    }

    #[test]
    fn strings_that_hold_no_usable_hash_match_nothing() {
        let blank = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let blank64 = "A".repeat(86);
        for encoded in [
            String::new(),
            "!".into(),
            format!("!{}", "x".repeat(40)),
            "plain".into(),
            "$".into(),
            "$$$$$$".into(),
            "md5$salt$1d50efa381c5e361dc785e3c0993548c".into(),
            "pbkdf2_sha256".into(),
            "pbkdf2_sha256$$$".into(),
            format!("pbkdf2_sha256$0$salt${blank}="),
            format!("pbkdf2_sha256$4000000000$salt${blank}="),
            format!("pbkdf2_sha256$99999999999999999999$salt${blank}="),
            format!("pbkdf2_sha256$-1$salt${blank}="),
            "pbkdf2_sha256$1000$salt$".into(),
            format!("pbkdf2_sha256$1000$salt${blank}=$more"),
            format!("$pbkdf2-sha256$1000$salt${blank}"),
            format!("$pbkdf2-sha256$i=1000,l=64$c2FsdA${blank64}"),
            format!("$pbkdf2-sha256$i=4000000000,l=32$c2FsdA${blank}"),
            format!("$scrypt$ln=30,r=8,p=1$c2FsdA${blank64}"),
            format!("$scrypt$ln=4,r=8$c2FsdA${blank64}"),
            format!("$2x$06${}", "A".repeat(53)),
            format!("$argon2x$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${blank}"),
            format!("scrypt$1073741824$salt$8$1${blank64}=="),
            format!("scrypt$16383$salt$8$1${blank64}=="),
            format!("scrypt$16384$salt$0$1${blank64}=="),
            format!("scrypt$16384$salt$8$4000000000${blank64}=="),
            format!("argon2$argon2id$v=19$m=4194304,t=2,p=1$YWJjZGVmZ2g${blank}"),
            format!("argon2$argon2id$v=19$m=1024,t=4000000000,p=1$YWJjZGVmZ2g${blank}"),
            format!("argon2$argon2id$v=19$m=8,t=1,p=4000000000$YWJjZGVmZ2g${blank}"),
            format!("argon2$argon2id$v=20$m=1024,t=1,p=1$YWJjZGVmZ2g${blank}"),
            format!("argon2$argon2id$v=19$m=1024,t=1,p=1$${blank}"),
            "argon2$argon2id$v=19$m=1024,t=1,p=1$YWJjZGVmZ2g$".into(),
            "bcrypt$$2b$31$abcdefghijklmnopqrstuu03A86XCRVHrxwQJQPV2mcP4FRmpZVf6".into(),
            "bcrypt$$2b$99$abcdefghijklmnopqrstuu03A86XCRVHrxwQJQPV2mcP4FRmpZVf6".into(),
            "bcrypt$$2b$12$abcdefghijklmnopqrstuu".into(),
            "bcrypt$$2x$12$abcdefghijklmnopqrstuu03A86XCRVHrxwQJQPV2mcP4FRmpZVf6".into(),
            "bcrypt$$2b$12$äbcdefghijklmnopqrstu03A86XCRVHrxwQJQPV2mcP4FRmpZVf6".into(),
        ] {
            assert_eq!(verify("", &encoded), Verdict::Unusable, "{encoded}");
            assert_eq!(verify("letmein-é", &encoded), Verdict::Unusable, "{encoded}");
        }
    }

    #[test]
    fn a_hasher_refuses_what_verify_would_refuse() {
        for refused in [
            PasswordHasher::pbkdf2_sha256(0),
            PasswordHasher::pbkdf2_sha256(u32::MAX),
            PasswordHasher::argon2id(u32::MAX, 1, 1),
            PasswordHasher::argon2id(19456, 0, 1),
            PasswordHasher::argon2id(19456, 1, u32::MAX),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_string_makes_the_parser_panic(
            encoded in "(\\$)?(argon2|2b|pbkdf2_sha(256|1)|scrypt|bcrypt(_sha256)?)?[$,=0-9a-zäAmtpv./+!]{0,90}"
        ) {
            if let Some(stored) = Stored::parse(&encoded) {
                prop_assert!(stored.scheme.is_affordable());
            }
        }

        #[test]
        fn no_damage_to_a_real_hash_makes_the_parser_panic(
            which in 0_usize..64, at in 0_usize..130, cut in 0_usize..4, with in "[$=,0-9A-Zä]{0,4}"
        ) {
            let vectors = vectors();
            let mut encoded: Vec<char> = vectors[which % vectors.len()].1.chars().collect();
            let at = at.min(encoded.len());
            let end = (at + cut).min(encoded.len());
            encoded.splice(at..end, with.chars());
            let encoded: String = encoded.into_iter().collect();
            if let Some(stored) = Stored::parse(&encoded) {
                prop_assert!(stored.scheme.is_affordable());
            }
        }

        #[test]
        fn cheap_hashes_with_random_parts_are_computed_without_panic(
            scheme in 0_usize..3, cost in 1_u32..20, salt in "[a-zA-Z0-9ä]{0,24}", hash in "[A-Za-z0-9]{0,60}"
        ) {
            let encoded = match scheme {
                0 => format!("pbkdf2_sha256${cost}${salt}${hash}="),
                1 => format!("scrypt${}${salt}${cost}$1${hash}==", 2_u32.pow(cost % 5)),
                _ => format!("argon2$argon2id$v=19$m={},t=1,p={cost}${salt}${hash}", cost * 8),
            };
            prop_assert_ne!(verify("password", &encoded), Verdict::Match);
        }
    }
}
