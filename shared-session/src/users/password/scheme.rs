//! The algorithms and their parameters: parse, bound, derive, encode.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD, general_purpose::STANDARD_NO_PAD},
};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::memory;

const MAX_ENCODED_LEN: usize = 512;
const MAX_ITERATIONS: u32 = 10_000_000;
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_LANES: u32 = 64;
/// Memory times passes: 4 GiB filled, a few seconds.
const MAX_ARGON2_WORK_KIB: u64 = 4 * 1024 * 1024;
/// N · r · p: eight times OWASP's recommendation, a few seconds.
const MAX_SCRYPT_WORK: u64 = 1 << 23;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=16;

const SHA1_LEN: usize = 20;
const SHA256_LEN: usize = 32;
const SCRYPT_LEN: usize = 64;
const BCRYPT_SALT_LEN: usize = 16;
const BCRYPT_LEN: usize = 23;
/// bcrypt ignores further bytes.
const BCRYPT_INPUT_LEN: usize = 72;

/// The last character of a bcrypt salt carries bits that bcrypt ignores.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// An algorithm and its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::users) enum Scheme {
    Pbkdf2Sha256 { iterations: u32 },
    Pbkdf2Sha1 { iterations: u32 },
    Scrypt { log_n: u8, block: u32, lanes: u32 },
    Bcrypt { cost: u32, digest_first: bool },
    Argon2 { algorithm: Algorithm, version: Version, memory: u32, passes: u32, lanes: u32 },
}

/// A stored password: the scheme, the salt and the derived hash.
pub(super) struct Stored {
    pub(super) scheme: Scheme,
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

impl Stored {
    /// `None` if the hash is invalid or not affordable.
    pub(super) fn parse(encoded: &str) -> Option<Self> {
        if encoded.len() > MAX_ENCODED_LEN {
            return None;
        }
        let (algorithm, rest) = encoded.split_once('$')?;
        let stored = match algorithm {
            "" => Self::standard(rest),
            "pbkdf2_sha256" => Self::pbkdf2(rest, SHA256_LEN, |iterations| Scheme::Pbkdf2Sha256 { iterations }),
            "pbkdf2_sha1" => Self::pbkdf2(rest, SHA1_LEN, |iterations| Scheme::Pbkdf2Sha1 { iterations }),
            "scrypt" => Self::scrypt(rest),
            "bcrypt" => Self::bcrypt(rest.strip_prefix('$')?, false),
            "bcrypt_sha256" => Self::bcrypt(rest.strip_prefix('$')?, true),
            "argon2" => Self::argon2(rest),
            _ => None,
        }?;
        (!stored.salt.is_empty() && stored.scheme.is_affordable()).then_some(stored)
    }

    fn pbkdf2(rest: &str, len: usize, scheme: fn(u32) -> Scheme) -> Option<Self> {
        let [iterations, salt, hash] = fields(rest)?;
        let hash = STANDARD.decode(hash).ok().filter(|hash| hash.len() == len)?;
        Some(Self { scheme: scheme(iterations.parse().ok()?), salt: salt.into(), hash })
    }

    fn scrypt(rest: &str) -> Option<Self> {
        let [n, salt, block, lanes, hash] = fields(rest)?;
        let n: u32 = n.parse().ok().filter(|n: &u32| n.is_power_of_two() && *n > 1)?;
        let log_n = u8::try_from(n.trailing_zeros()).ok()?;
        let hash = STANDARD.decode(hash).ok().filter(|hash| hash.len() == SCRYPT_LEN)?;
        let scheme = Scheme::Scrypt { log_n, block: block.parse().ok()?, lanes: lanes.parse().ok()? };
        Some(Self { scheme, salt: salt.into(), hash })
    }

    /// The strings of other frameworks, without their first `$`: PHC strings, and bcrypt's own format. Django puts a name
    /// before those of argon2 and bcrypt, and has formats of its own for the others.
    fn standard(rest: &str) -> Option<Self> {
        match rest.split_once('$')? {
            ("scrypt", rest) => {
                let [costs, salt, hash] = fields(rest)?;
                let (log_n, costs) = costs.strip_prefix("ln=")?.split_once(",r=")?;
                let (block, lanes) = costs.split_once(",p=")?;
                let (log_n, block, lanes) = (log_n.parse().ok()?, block.parse().ok()?, lanes.parse().ok()?);
                Self::phc(Scheme::Scrypt { log_n, block, lanes }, salt, hash)
            }
            ("pbkdf2-sha256", rest) => {
                let [costs, salt, hash] = fields(rest)?;
                let iterations = costs.strip_prefix("i=")?.strip_suffix(",l=32")?.parse().ok()?;
                Self::phc(Scheme::Pbkdf2Sha256 { iterations }, salt, hash)
                    .filter(|stored| stored.hash.len() == SHA256_LEN)
            }
            ("2a" | "2b" | "2y", _) => Self::bcrypt(rest, false),
            _ => Self::argon2(rest),
        }
    }

    fn phc(scheme: Scheme, salt: &str, hash: &str) -> Option<Self> {
        let salt = STANDARD_NO_PAD.decode(salt).ok()?;
        let hash = STANDARD_NO_PAD.decode(hash).ok().filter(|hash| (16..=64).contains(&hash.len()))?;
        Some(Self { scheme, salt, hash })
    }

    /// `2b$12$` and 22 characters of salt, 31 of hash.
    fn bcrypt(rest: &str, digest_first: bool) -> Option<Self> {
        let ["2a" | "2b" | "2y", cost, salt_and_hash] = fields(rest)? else { return None };
        let (salt, hash) = salt_and_hash.split_at_checked(22)?;
        let salt = BCRYPT_BASE64.decode(salt).ok().filter(|salt| salt.len() == BCRYPT_SALT_LEN)?;
        let hash = BCRYPT_BASE64.decode(hash).ok().filter(|hash| hash.len() == BCRYPT_LEN)?;
        Some(Self { scheme: Scheme::Bcrypt { cost: cost.parse().ok()?, digest_first }, salt, hash })
    }

    /// A PHC string without its first `$`; without `v=` its version is 16.
    fn argon2(rest: &str) -> Option<Self> {
        let (algorithm, rest) = rest.split_once('$')?;
        let algorithm = Algorithm::new(algorithm).ok()?;
        let (version, rest) = match rest.strip_prefix("v=") {
            Some(rest) => rest.split_once('$')?,
            None => ("16", rest),
        };
        let version = Version::try_from(version.parse::<u32>().ok()?).ok()?;
        let [costs, salt, hash] = fields(rest)?;
        let (memory, costs) = costs.strip_prefix("m=")?.split_once(",t=")?;
        let (passes, lanes) = costs.split_once(",p=")?;
        let scheme = Scheme::Argon2 {
            algorithm,
            version,
            memory: memory.parse().ok()?,
            passes: passes.parse().ok()?,
            lanes: lanes.parse().ok()?,
        };
        Self::phc(scheme, salt, hash)
    }
}

impl Scheme {
    /// OWASP Password Storage Cheat Sheet, argon2id, its first recommendation.
    pub(super) const ARGON2ID_OWASP: Self = Self::argon2id(19456, 2, 1);
    /// The hash length of both schemes for new hashes.
    pub(super) const NEW_HASH_LEN: usize = SHA256_LEN;

    pub(super) const fn argon2id(memory: u32, passes: u32, lanes: u32) -> Self {
        Self::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, memory, passes, lanes }
    }

    /// Whether one hash takes at most a few seconds and at most 256 MiB.
    pub(super) fn is_affordable(self) -> bool {
        match self {
            Self::Pbkdf2Sha256 { iterations } | Self::Pbkdf2Sha1 { iterations } => {
                (1..=MAX_ITERATIONS).contains(&iterations)
            }
            Self::Scrypt { log_n, block, lanes } => {
                let n = 1_u64.checked_shl(log_n.into()).unwrap_or(u64::MAX);
                (1..=MAX_LANES).contains(&block)
                    && (1..=MAX_LANES).contains(&lanes)
                    && n <= MAX_SCRYPT_WORK
                    && n * u64::from(block) * 128 <= u64::from(MAX_MEMORY_KIB) * 1024
                    && n * u64::from(block) * u64::from(lanes) <= MAX_SCRYPT_WORK
            }
            Self::Bcrypt { cost, .. } => BCRYPT_COSTS.contains(&cost),
            Self::Argon2 { memory, passes, lanes, .. } => {
                (1..=MAX_LANES).contains(&lanes)
                    && (8 * lanes..=MAX_MEMORY_KIB).contains(&memory)
                    && passes > 0
                    && u64::from(memory) * u64::from(passes) <= MAX_ARGON2_WORK_KIB
            }
        }
    }

    /// `len` bytes from `password` and `salt`; `None` if the algorithm refuses them.
    pub(super) fn derive(self, password: &[u8], salt: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; len];
        match self {
            Self::Pbkdf2Sha256 { iterations } => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out),
            Self::Pbkdf2Sha1 { iterations } => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut out),
            Self::Scrypt { log_n, block, lanes } => {
                let params = scrypt::Params::new(log_n, block, lanes).ok()?;
                scrypt::scrypt(password, salt, &params, &mut out).ok()?;
            }
            Self::Bcrypt { cost, digest_first: true } => {
                out = bcrypt(cost, hex(&Sha256::digest(password)).as_bytes(), salt)?;
            }
            Self::Bcrypt { cost, digest_first: false } => out = bcrypt(cost, password, salt)?,
            Self::Argon2 { algorithm, version, memory, passes, lanes } => {
                let params = Params::new(memory, passes, lanes, None).ok()?;
                let blocks = params.block_count();
                let argon2 = Argon2::new(algorithm, version, params);
                memory::with(blocks, |buffer| argon2.hash_password_into_with_memory(password, salt, &mut out, buffer))?
                    .ok()?;
            }
        }
        #[cfg(test)]
        super::level::counted::add(self);
        Some(out)
    }

    /// Takes the time of a verification and discards the result.
    pub(in crate::users) fn spend(self, password: &str) {
        // A second block of PBKDF2 would double its work.
        let len = if matches!(self, Self::Pbkdf2Sha1 { .. }) { SHA1_LEN } else { SHA256_LEN };
        let _ = std::hint::black_box(self.derive(password.as_bytes(), b"sixteen bytes ok", len));
    }

    /// Django's string for the two schemes of new hashes.
    pub(super) fn encode(self, salt: &str, hash: &[u8]) -> Option<String> {
        match self {
            Self::Pbkdf2Sha256 { iterations } => {
                Some(format!("pbkdf2_sha256${iterations}${salt}${}", STANDARD.encode(hash)))
            }
            Self::Argon2 { algorithm, version, memory, passes, lanes } => Some(format!(
                "argon2${algorithm}$v={}$m={memory},t={passes},p={lanes}${}${}",
                u32::from(version),
                STANDARD_NO_PAD.encode(salt),
                STANDARD_NO_PAD.encode(hash)
            )),
            _ => None,
        }
    }
}

/// The input is the password and a final zero byte, cut to 72 bytes.
fn bcrypt(cost: u32, password: &[u8], salt: &[u8]) -> Option<Vec<u8>> {
    let salt: [u8; BCRYPT_SALT_LEN] = salt.try_into().ok()?;
    let input: Vec<u8> = password.iter().copied().chain([0]).take(BCRYPT_INPUT_LEN).collect();
    Some(bcrypt::bcrypt(cost, salt, &input)[..BCRYPT_LEN].to_vec())
}

fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut fields = [""; N];
    let mut parts = text.split('$');
    for field in &mut fields {
        *field = parts.next()?;
    }
    parts.next().is_none().then_some(fields)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cost_is_affordable_up_to_its_limit() {
        let scrypt = |log_n, block, lanes| Scheme::Scrypt { log_n, block, lanes };
        let argon2 = Scheme::argon2id;
        for affordable in [
            scrypt(1, 1, 1),
            scrypt(17, 8, 1),
            scrypt(21, 1, 4),
            scrypt(20, 2, 4),
            scrypt(17, 16, 4),
            scrypt(10, 64, 64),
            argon2(8, 1, 1),
            argon2(8 * 64, 1, 64),
            argon2(256 * 1024, 16, 1),
        ] {
            assert!(affordable.is_affordable(), "{affordable:?}");
        }
        for beyond in [
            scrypt(1, 0, 1),
            scrypt(1, 65, 1),
            scrypt(1, 1, 0),
            scrypt(1, 1, 65),
            // Memory.
            scrypt(22, 1, 1),
            scrypt(21, 2, 1),
            scrypt(17, 17, 1),
            // Work.
            scrypt(24, 1, 1),
            scrypt(21, 1, 5),
            scrypt(17, 16, 5),
            // Beyond what can be multiplied.
            scrypt(63, 8, 1),
            scrypt(64, 8, 1),
            argon2(7, 1, 1),
            argon2(8 * 64 - 1, 1, 64),
            argon2(256 * 1024 + 1, 1, 1),
            argon2(256 * 1024, 17, 1),
            argon2(8, 0, 1),
            argon2(8, 1, 0),
            argon2(8 * 65, 1, 65),
        ] {
            assert!(!beyond.is_affordable(), "{beyond:?}");
        }
    }

    #[test]
    fn a_text_of_more_than_512_bytes_is_no_stored_password() {
        let hash = STANDARD.encode([7; SHA256_LEN]);
        let of_len = |len: usize| {
            let salt = "s".repeat(len - format!("pbkdf2_sha256$1$${hash}").len());
            format!("pbkdf2_sha256$1${salt}${hash}")
        };
        assert_eq!(of_len(512).len(), 512);
        assert!(Stored::parse(&of_len(512)).is_some());
        assert!(Stored::parse(&of_len(513)).is_none());
    }

    #[test]
    fn the_smallest_scrypt_works_on_two_blocks() {
        let hash = STANDARD.encode([7; SCRYPT_LEN]);
        let n = |n: u32| Stored::parse(&format!("scrypt${n}$salt$1$1${hash}")).map(|stored| stored.scheme);
        assert_eq!(n(2), Some(Scheme::Scrypt { log_n: 1, block: 1, lanes: 1 }));
        assert_eq!((n(0), n(1), n(3)), (None, None, None));
    }
}
