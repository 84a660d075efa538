//! Properties that must hold for any record in the native format, and for the secret that its current one replaced.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "for tests only")]

use std::time::Duration;

use super::{canonical, lenient, *};

const NOW: StoreTime = StoreTime(1_700_000_000_000);
/// A token whose secret opens no session: the records hold only its hash.
const TOKEN: [u8; 56] = [b'B'; 56];

/// A record with every required member.
#[cfg(test)]
pub(crate) const RECORD: &str = concat!(
    r#"{"v":1,"n":"000000000000002a","t":"TTTTTTTTTTTTTTTTTTTTTTTT","#,
    r#""s":"SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS","r":0,"c":1700000000000,"k":1700000001000,"#,
    r#""i":60000,"x":1700000900000,"u":{"id":"1","hash":"hash","epoch":3},"#,
    r#""d":{"address":"127.0.0.1","agent":"curl/8"},"e":{"a":[1,2],"b":"two"}}"#
);

/// The record, if `bytes` is one. Checks that serde reads the same record as the reader by position.
pub(crate) fn read(bytes: &Bytes) -> Option<Record> {
    let by_serde = lenient::read(bytes);
    if let Some(found) = canonical::read(bytes) {
        assert!(by_serde.is_ok_and(|other| other == found), "serde reads another record");
    }
    decode(bytes).ok()
}

/// A record with the hash of a previous secret. The first five bytes choose the times, the users, the source of the
/// hash and the position of a change to it; the rest is the hash, the member `p`, or more members.
pub fn previous_secret(bytes: &[u8]) {
    let Some((&[ago, when, who, how, at], rest)) = bytes.split_first_chunk() else { return };
    let seconds = |ago: u8| StoreTime(NOW.0 - 1000 * u64::from(ago));
    let (rotated, replaced) = (seconds(ago), seconds(if when % 4 == 0 { when } else { ago }));
    let token = Token::parse(&TOKEN).unwrap();
    let member = match how % 4 {
        0 => rest.to_vec(),
        1 => [br#","p":"#, rest].concat(),
        2 => [br#","p":{"s":""#, rest, format!(r#"","r":{}}}"#, replaced.0).as_bytes()].concat(),
        _ => {
            let mut hash: Vec<char> = token.secret.hash().as_str().chars().collect();
            if let (Some(place), [to, ..]) = (hash.get_mut(usize::from(at)), rest) {
                *place = char::from(*to);
            }
            let hash = serde_json::to_string(&hash.into_iter().collect::<String>()).unwrap();
            format!(r#","p":{{"s":{hash},"r":{}}}"#, replaced.0).into_bytes()
        }
    };
    let users = ["null", r#"{"id":"1","hash":"h","epoch":3}"#, r#"{"id":"2","hash":"h","epoch":0,"at":1}"#];
    let user = |who: u8| users[usize::from(who) % 3];
    let record = |who, member: &[u8]| -> Bytes {
        let head = format!(
            r#"{{"v":1,"n":"000000000000002a","t":"TTTTTTTTTTTTTTTTTTTTTTTT","s":"{}","r":{},"c":1,"k":2,"i":60000,"x":1800000000000"#,
            "S".repeat(43),
            rotated.0
        );
        [head.as_bytes(), member, format!(r#","u":{},"d":{{}},"e":{{}}}}"#, user(who)).as_bytes()].concat().into()
    };
    let Some(found) = read(&record(who, &member)) else { return };
    let other = read(&record(who / 3, b"")).expect("it has no member of the fuzzer");

    let json: serde_json::Value = serde_json::from_slice(found.bytes()).expect("a record is JSON");
    let is_base64url = |text: &&str| text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    let hash = json["p"]["s"].as_str().filter(is_base64url).and_then(|hash| SecretHash::stored(hash.as_bytes()));
    let is_late = NOW.since(found.rotated()) >= Duration::from_secs(60);
    let counts = hash.is_some() && json["p"]["r"] == json["r"] && !is_late;
    assert_eq!(found.previous(NOW).is_some(), counts);
    assert!(found.previous(NOW).is_none_or(|previous| Some(previous.secret_hash) == hash));
    let is_proved = counts && hash == Some(token.secret.hash()) && !json["u"].is_null();
    assert_eq!(found.may_be_ended_by(&token, NOW), is_proved);
    assert!(!found.opens_for(&token), "a previous secret opens the session");

    let lifetime = Lifetime::default();
    let stamp = Stamp { tag: "abcdefghijklmnopqrstuvwx", now: NOW, lifetime: &lifetime };
    let content = |head: &Head| Content { head: head.clone(), entries: found.entries.clone() };
    for head in [&found.head, &other.head] {
        let is_same = found.user_id().is_some() && found.user_id() == head.user.as_ref().map(|user| &*user.user_id);
        let kept = found.previous(NOW).filter(|_| is_same).map(|previous| previous.secret_hash);
        let replaced = Some(SecretHash::stored(&[b'S'; 43]).unwrap()).filter(|_| is_same);
        for (written, expected) in [
            (touched(&found, &stamp, content(head)), kept),
            (next(&found, None, &stamp, content(head)), kept),
            (next(&found, Some(&token.secret), &stamp, content(head)), replaced),
        ] {
            let written = written.expect("a record that was read can be written");
            let again = read(written.bytes()).expect("a record that was written can be read");
            assert!(again.head == *head && again.entries == found.entries);
            for record in [&written, &again] {
                assert_eq!(record.previous(NOW).map(|previous| previous.secret_hash), expected);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_that_other_tests_begin_with_is_one() {
        assert!(read(&RECORD.into()).is_some());
    }

    #[test]
    fn known_previous_secrets_keep_their_promises() {
        let hash = "P".repeat(43);
        for rest in [
            "",
            "A",
            "\"",
            "\n",
            "\u{7f}",
            &hash,
            &format!(r#"{}\""#, &hash[1..]),
            &format!(r#"{{"s":"{hash}","r":1700000000000}}"#),
            "null",
            r#""o":null"#,
        ] {
            for how in 0..4 {
                for who in 0..9 {
                    for (ago, when) in [(0, 1), (59, 1), (60, 1), (3, 4)] {
                        previous_secret(&[&[ago, when, who, how, 50], rest.as_bytes()].concat());
                    }
                }
            }
        }
    }
}
