//! Reads a record by position, if its form is exactly that of [`write`](super::write).
//!
//! Scans everything and decodes nothing: serde accepts every record that passes.

use bytes::Bytes;

use crate::record::{
    client::Client,
    content::Head,
    entries::{Entries, scan::Scan, text::Text},
    id::SecretHash,
    identity::Identity,
    native::layout::{COMMIT, ExpiryKind, Found, OwnExpiry, SECRET, START, TAG, limits},
    previous::Previous,
    time::StoreTime,
};

const USER: &[u8] = br#","u":"#;

/// `None`: serde has to read it.
pub(super) fn read(bytes: &Bytes) -> Option<Found> {
    let mut scan = Scan::new(bytes);
    scan.expect(START)?;
    fixed(&mut scan, COMMIT.len(), |byte| byte.is_ascii_digit() | matches!(byte, b'a'..=b'f'))?;
    scan.expect(br#"","t":""#)?;
    fixed(&mut scan, TAG.len(), is_base64url)?;
    scan.expect(br#"","s":""#)?;
    fixed(&mut scan, SECRET.len(), is_base64url)?;
    let rotated = number(&mut scan, br#"","r":"#)?;
    let members = [
        number(&mut scan, br#","c":"#)?,
        number(&mut scan, br#","k":"#)?,
        number(&mut scan, br#","i":"#)?,
        number(&mut scan, br#","x":"#)?,
    ];
    let own = if scan.eat(br#","o":{"kind":""#) { Some(own_expiry(&mut scan)?) } else { None };
    let limits = limits(members, own.as_ref());
    let previous = if scan.eat(USER) {
        None
    } else {
        let previous = previous(&mut scan)?;
        scan.expect(USER)?;
        Some(Box::new(previous))
    };
    let (user, signed_in) = user(&mut scan)?;
    scan.expect(br#","d":{"#)?;
    let client = client(&mut scan)?;
    scan.expect(br#"},"e":{"#)?;
    let entries = Text::read(&mut scan, bytes)?;
    scan.expect(b"}}")?;
    (scan.is_at_end() && scan.is_utf8()).then(|| Found {
        rotated: StoreTime(rotated),
        previous,
        head: Head { limits: limits.signed_in_at(signed_in), user, client },
        entries: Entries::of_text(entries),
    })
}

#[inline]
fn fixed(scan: &mut Scan<'_>, len: usize, is_ours: impl Fn(u8) -> bool) -> Option<()> {
    // All of them, without a branch for each.
    scan.take(len)?.iter().fold(true, |all, byte| all & is_ours(*byte)).then_some(())
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_')
}

fn number(scan: &mut Scan<'_>, member: &[u8]) -> Option<u64> {
    scan.expect(member)?;
    scan.natural()
}

fn string(scan: &mut Scan<'_>) -> Option<String> {
    String::from_utf8(scan.plain_string()?.to_vec()).ok()
}

fn own_expiry(scan: &mut Scan<'_>) -> Option<OwnExpiry> {
    let kind = ExpiryKind::ALL.into_iter().find(|kind| scan.eat(kind.name().as_bytes()))?;
    let x = number(scan, br#"","x":"#)?;
    scan.expect(b"}")?;
    Some(OwnExpiry { kind, x })
}

fn previous(scan: &mut Scan<'_>) -> Option<Previous> {
    scan.expect(br#","p":{"s":""#)?;
    let secret_hash = SecretHash::parse(scan.take(SecretHash::LEN)?)?;
    let replaced = StoreTime(number(scan, br#"","r":"#)?);
    scan.expect(b"}")?;
    Some(Previous { secret_hash, replaced })
}

/// The user, and when they signed in.
fn user(scan: &mut Scan<'_>) -> Option<(Option<Identity>, StoreTime)> {
    if scan.eat(b"null") {
        return Some((None, StoreTime::default()));
    }
    scan.expect(br#"{"id":"#)?;
    let user_id = string(scan)?;
    scan.expect(br#","hash":"#)?;
    let auth_hash = string(scan)?;
    let epoch = i64::try_from(number(scan, br#","epoch":"#)?).ok()?;
    let at = if scan.eat(br#","at":"#) { scan.natural()? } else { 0 };
    scan.expect(b"}")?;
    Some((Some(Identity { user_id, auth_hash, epoch }), StoreTime(at)))
}

fn client(scan: &mut Scan<'_>) -> Option<Client> {
    let (mut address, mut agent) = (None, None);
    if scan.eat(br#""address":"#) {
        address = Some(string(scan)?);
        if scan.eat(br#","agent":"#) {
            agent = Some(string(scan)?);
        }
    } else if scan.eat(br#""agent":"#) {
        agent = Some(string(scan)?);
    }
    Some(Client::from_stored(address, agent))
}
