//! Properties that must hold for any string in the place of a password hash.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "only tests use it")]

use super::{
    Verdict,
    scheme::{Scheme, Stored},
    verify_as,
};

/// A stored password: a hash that parses is affordable and is written back as it was read; verifying it, if cheap
/// enough for a test, does not panic.
pub fn encoded_password(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(stored) = Stored::parse(&text) else {
        assert_eq!(verify_as("password", &text).1, Verdict::Unusable);
        return;
    };
    assert!(stored.scheme.is_affordable() && !stored.salt.is_empty() && !stored.hash.is_empty());
    let salt = std::str::from_utf8(&stored.salt).ok().filter(|salt| !salt.contains('$'));
    if let Some(encoded) = salt.and_then(|salt| stored.scheme.encode(salt, &stored.hash)) {
        let is_same =
            |again: Stored| again.scheme == stored.scheme && again.salt == stored.salt && again.hash == stored.hash;
        assert!(encoded.len() > 512 || Stored::parse(&encoded).is_some_and(is_same));
    }
    let is_cheap = match stored.scheme {
        Scheme::Pbkdf2Sha256 { iterations } | Scheme::Pbkdf2Sha1 { iterations } => iterations <= 10,
        Scheme::Scrypt { log_n, block, lanes } => log_n <= 4 && block <= 2 && lanes <= 2,
        Scheme::Bcrypt { cost, .. } => cost <= 4,
        Scheme::Argon2 { memory, passes, .. } => memory <= 128 && passes <= 2,
    };
    if is_cheap {
        assert_ne!(verify_as("password", &text).1, Verdict::Match, "a made-up password matches");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_passwords_keep_their_promises() {
        let hash = "A".repeat(43);
        for encoded in [
            "",
            "!unusable",
            &format!("pbkdf2_sha256$2$salt${hash}="),
            &format!("pbkdf2_sha1$2$salt${}=", "A".repeat(27)),
            &format!("scrypt$2$salt$1$1${}==", "A".repeat(86)),
            &format!("bcrypt$$2b$04${}", "A".repeat(53)),
            &format!("argon2$argon2id$v=19$m=8,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw${hash}"),
            &format!("$pbkdf2-sha256$i=2,l=32$c2l4dGVlbiBieXRlICRhbA${hash}"),
            &format!("$scrypt$ln=1,r=1,p=1$c2l4dGVlbiBieXRlICRhbA${hash}"),
            &format!("$2y$04${}", "A".repeat(53)),
            &format!("argon2$argon2i$m=8,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw${hash}"),
        ] {
            encoded_password(encoded.as_bytes());
        }
    }
}
