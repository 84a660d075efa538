use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::record::{client::Client, expiry::Expiry, identity::Identity, lifetime::Limits};

fn mark() -> Mark<'static> {
    let secret_hash = SecretHash::stored(&[b'S'; 43]).unwrap();
    Mark { commit: 42, tag: &[b'T'; 24], secret_hash, rotated: StoreTime(0), previous: None }
}

/// The mark of a session whose secret was replaced.
fn rotated() -> Mark<'static> {
    let (replaced, secret_hash) = (StoreTime(1_700_000_000_700), SecretHash::stored(&[b'P'; 43]).unwrap());
    Mark { rotated: replaced, previous: Some(Box::new(Previous { secret_hash, replaced })), ..mark() }
}

fn encode(mark: &Mark<'_>, head: &Head, entries: &Entries) -> Result<Bytes, Error> {
    super::encode(mark, head, entries).map(|(bytes, _)| bytes)
}

fn head() -> Head {
    Head {
        limits: Limits {
            created: StoreTime(1_700_000_000_000),
            touched: StoreTime(1_700_000_001_000),
            idle: Duration::from_secs(60),
            deadline: StoreTime(1_700_000_900_000),
            expiry: Expiry::Configured,
            absolute: StoreTime(1_700_000_900_000),
            signed_in: StoreTime::default(),
        },
        user: Some(Identity::new("1", "hash", 3)),
        client: Client::new(Some([127, 0, 0, 1].into()), Some("curl/8")),
    }
}

fn entries(pairs: &[(&str, &str)]) -> Entries {
    Entries::new(pairs.iter().map(|(k, v)| ((*k).into(), Json::from_text(Bytes::from(v.to_string())))).collect())
        .unwrap()
}

const GOLDEN: &str = concat!(
    r#"{"v":1,"n":"000000000000002a","t":"TTTTTTTTTTTTTTTTTTTTTTTT","#,
    r#""s":"SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS","r":0,"c":1700000000000,"k":1700000001000,"#,
    r#""i":60000,"x":1700000900000,"u":{"id":"1","hash":"hash","epoch":3},"#,
    r#""d":{"address":"127.0.0.1","agent":"curl/8"},"e":{"a":[1,2],"b":"two"}}"#
);

#[test]
fn the_bytes_are_golden() {
    let bytes = encode(&mark(), &head(), &entries(&[("b", r#""two""#), ("a", "[1,2]")])).unwrap();
    assert_eq!(std::str::from_utf8(&bytes).unwrap(), GOLDEN);
    let record = decode(&bytes).unwrap();
    assert_eq!(record.head, head());
    assert_eq!(record.entries.get("b").unwrap().decode::<String>().unwrap(), "two");
    assert_eq!(super::mark(&record).unwrap(), mark());
    assert_eq!(record.version().part(), br#"000000000000002a","t":"TTTTTTTTTTTTTTTTTTTTTTTT"#);
    assert_eq!(secret_part(&bytes).part(), "S".repeat(43).as_bytes());
}

#[test]
fn an_address_that_is_none_reads_as_unknown() {
    let record = decode(&Bytes::from(GOLDEN.replace("127.0.0.1", "the proxy"))).unwrap();
    assert_eq!(record.head.client, Client::new(None, Some("curl/8")));
}

#[test]
fn an_expiry_is_one_member_more_and_its_bytes_are_golden() {
    let absolute = StoreTime(1_700_000_500_000);
    for (expiry, member) in [
        (Expiry::OnBrowserClose, r#""o":{"kind":"browser","x":1700000500000},"#),
        (Expiry::OnInactivity(Duration::from_secs(60)), r#""o":{"kind":"idle","x":1700000500000},"#),
        (Expiry::At(StoreTime(1_700_000_900_000).into()), r#""o":{"kind":"time","x":1700000500000},"#),
    ] {
        let mut head = head();
        head.limits = Limits { expiry, absolute, ..head.limits };
        let golden = GOLDEN.replace(r#""u":"#, &format!(r#"{member}"u":"#));
        let bytes = encode(&mark(), &head, &entries(&[("b", r#""two""#), ("a", "[1,2]")])).unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), golden);
        assert_eq!(decode(&bytes).unwrap().head, head);
        let unknown = Bytes::from(golden.replace(r#"{"kind":""#, r#"{"kind":"un"#));
        assert_eq!(decode(&unknown).unwrap_err().kind(), ErrorKind::Unreadable);
    }
}

#[test]
fn a_sign_in_tells_its_time_and_its_bytes_are_golden() {
    let mut head = head();
    head.limits = head.limits.signed_in_at(StoreTime(1_700_000_000_500));
    let golden = GOLDEN.replace(r#""epoch":3"#, r#""epoch":3,"at":1700000000500"#);
    let bytes = encode(&mark(), &head, &entries(&[("b", r#""two""#), ("a", "[1,2]")])).unwrap();
    assert_eq!(std::str::from_utf8(&bytes).unwrap(), golden);
    let record = decode(&bytes).unwrap();
    assert_eq!((record.head.clone(), record.signed_in()), (head, Some(StoreTime(1_700_000_000_500))));
    let early = decode(&Bytes::from(GOLDEN)).unwrap();
    assert_eq!(early.signed_in(), None, "a record from before this member existed");
}

#[test]
fn the_secret_that_was_replaced_is_one_member_more_and_its_bytes_are_golden() {
    let member = format!(r#""p":{{"s":"{}","r":1700000000700}},"u":"#, "P".repeat(43));
    let golden = GOLDEN.replace(r#""r":0"#, r#""r":1700000000700"#).replace(r#""u":"#, &member);
    let bytes = encode(&rotated(), &head(), &entries(&[("b", r#""two""#), ("a", "[1,2]")])).unwrap();
    assert_eq!(std::str::from_utf8(&bytes).unwrap(), golden);
    let record = decode(&bytes).unwrap();
    let read = Mark { previous: record.form.previous.clone(), ..super::mark(&record).unwrap() };
    assert_eq!((read, record.head.clone()), (rotated(), head()));
    let at = |ms| record.previous(StoreTime(ms)).is_some();
    assert!(at(1_700_000_000_700) && at(1_700_000_060_699) && !at(1_700_000_060_700));
    // An older writer keeps the member unchanged, and its new `r` shows that the secret has changed again.
    let kept = Bytes::from(golden.replacen(r#""r":1700000000700"#, r#""r":1700000000800"#, 1));
    assert!(decode(&kept).unwrap().previous(StoreTime(1_700_000_000_900)).is_none());
    let short = decode(&Bytes::from(golden.replace("PPP", "P"))).unwrap();
    assert!(short.previous(StoreTime(1_700_000_000_900)).is_none(), "not the hash of a secret");
}

#[test]
fn a_previous_hash_that_no_secret_has_is_not_written_back() {
    for (characters, len) in [(r#"\""#, 1), (r"\n", 1), ("é", 2), (" ", 1)] {
        let hash = ["P".repeat(43 - len), characters.to_owned()].concat();
        let member = format!(r#""p":{{"s":"{hash}","r":1700000000700}},"u":"#);
        let odd = GOLDEN.replace(r#""r":0"#, r#""r":1700000000700"#).replace(r#""u":"#, &member);
        let record = decode(&Bytes::from(odd)).unwrap();
        let lifetime = Lifetime::default();
        let stamp = Stamp { tag: "UUUUUUUUUUUUUUUUUUUUUUUU", now: StoreTime(1_700_000_000_900), lifetime: &lifetime };
        let content = Content { head: record.head.clone(), entries: record.entries.clone() };
        let written = next(&record, None, &stamp, content).unwrap();
        assert!(decode(written.bytes()).unwrap().previous(stamp.now).is_none(), "{hash}");
    }
}

#[test]
fn written_records_are_read_by_position_and_serde_reads_the_same() {
    let plain = Head { user: None, client: Client::default(), ..head() };
    let agent = Head { client: Client::new(None, Some("curl/8 \u{e9}")), ..head() };
    let long = format!("\"{}\"", "long \u{e9} ".repeat(50));
    let own = |expiry| {
        let absolute = StoreTime(1_700_000_500_000);
        Head { limits: Limits { expiry, absolute, ..head().limits }, ..head() }
    };
    let browser = own(Expiry::OnBrowserClose);
    let idle = own(Expiry::OnInactivity(head().limits.idle));
    let time = own(Expiry::At(head().limits.deadline.into()));
    let signed_in = Head { limits: head().limits.signed_in_at(StoreTime(1_700_000_000_500)), ..head() };
    let heads = [head(), plain, agent, browser, idle, time, signed_in];
    for (head, mark) in heads.iter().flat_map(|head| [(head, mark()), (head, rotated())]) {
        for pairs in [&[][..], &[("a", "1"), ("\u{e9}", &long), ("", "[1, {\"x\" : null}]")]] {
            let bytes = encode(&mark, head, &entries(pairs)).unwrap();
            let found = canonical::read(&bytes).unwrap();
            assert_eq!(found, lenient::read(&bytes).unwrap());
            assert_eq!((found.head, found.entries.iter().count()), (head.clone(), pairs.len()));
        }
    }
}

#[test]
fn serde_reads_what_is_written_otherwise() {
    let other = |from: &str, to: &str| Bytes::from(GOLDEN.replacen(from, to, 1));
    for bytes in [
        other(r#""e":{"a""#, r#""e": {"a""#),
        other(r#""a":[1,2],"b":"two""#, r#""b":"two","a":[1,2]"#),
        other("curl/8", r"curl\/8"),
        other(r#""epoch":3"#, r#""epoch":-3"#),
        other(r#"{"a":"#, r#"{"\u0061":"#),
        other("002a", "002A"),
        other("}}", "}}\n"),
    ] {
        assert!(canonical::read(&bytes).is_none(), "{bytes:?}");
        let record = decode(&bytes).unwrap();
        assert_eq!(record.entries.get("b").unwrap().decode::<String>().unwrap(), "two");
    }
}

#[test]
fn every_truncation_is_unreadable() {
    for end in 0..GOLDEN.len() {
        let error = decode(&Bytes::from_static(&GOLDEN.as_bytes()[..end])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable, "{end}");
    }
}

#[test]
fn other_formats_and_versions_are_unreadable() {
    let golden = |from: &str, to: &str| Bytes::from(GOLDEN.replacen(from, to, 1));
    for bad in [
        golden(r#""v":1"#, r#""v":2"#),
        golden(r#""e":{"#, r#""z":0,"e":{"#),
        golden(r#"{"v":1,"#, r#"{ "v":1,"#),
        golden("TT", "T"),
        golden(r#""a":[1,2]"#, r#""b":[1,2]"#),
        golden("002a", "00zz"),
        golden(r#""i":60000"#, r#""i":-1"#),
        golden(r#""r":0,"#, ""),
        golden(r#"}}"#, r#"}} x"#),
        Bytes::from_static(b""),
        Bytes::from_static(b"garbage"),
        Bytes::from_static(b"\x80\x05}\x94."),
        Bytes::from_static(b"[]"),
        Bytes::from_static(b"null"),
    ] {
        assert_eq!(decode(&bad).unwrap_err().kind(), ErrorKind::Unreadable, "{bad:?}");
    }
}

#[test]
fn deeply_nested_entries_are_kept_without_being_decoded() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let record = decode(&encode(&mark(), &head(), &entries(&[("deep", &deep)])).unwrap()).unwrap();
    assert_eq!(record.entries.get("deep").unwrap().text().unwrap(), deep.as_bytes());
    assert_eq!(record.entries.get("deep").unwrap().decode::<serde_json::Value>().unwrap_err().kind(), ErrorKind::Value);
}

#[test]
fn errors_do_not_quote_the_record() {
    let bad = Bytes::from(GOLDEN.replace(r#""id":"1""#, r#""id":["hunter2"]"#));
    assert!(!format!("{:?}", decode(&bad).unwrap_err()).contains("hunter2"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes.into());
    }

    #[test]
    fn flipping_a_byte_never_panics_and_never_reads_as_another_session(at in 0..GOLDEN.len(), to in any::<u8>()) {
        let mut bytes = GOLDEN.as_bytes().to_vec();
        bytes[at] = to;
        let bytes = Bytes::from(bytes);
        if let Some(found) = canonical::read(&bytes) {
            prop_assert_eq!(lenient::read(&bytes).unwrap(), found);
        }
        if let Ok(record) = decode(&bytes) {
            let again = encode(&super::mark(&record).unwrap(), &record.head, &record.entries).unwrap();
            prop_assert_eq!(decode(&again).unwrap().head, record.head);
        }
    }

    #[test]
    fn every_name_and_text_survives(name in ".*", text in ".*") {
        let value = Json::encode(&text).unwrap();
        let record = decode(&encode(&mark(), &head(), &Entries::new(vec![(name.as_str().into(), value)]).unwrap()).unwrap()).unwrap();
        prop_assert_eq!(record.entries.get(&name).unwrap().decode::<String>().unwrap(), text);
    }
}

#[test]
fn an_epoch_below_zero_stays_below_zero() {
    let head = Head { user: Some(Identity::new("1", "hash", -3)), ..head() };
    let bytes = encode(&mark(), &head, &entries(&[])).unwrap();
    assert!(std::str::from_utf8(&bytes).unwrap().contains(r#""epoch":-3}"#));
    assert_eq!(decode(&bytes).unwrap().head, head);
}

/// Read by another way than that of our own records, which hold no space.
#[test]
fn another_writer_s_record_needs_the_same_head() {
    let spaced = GOLDEN.replace(r#""e":{"#, r#""e": {"#);
    assert!(decode(&Bytes::from(spaced.clone())).is_ok());
    let long = format!("{}x", "S".repeat(43));
    for (from, to) in [
        (r#"{"v":1"#, r#"{"v":3"#),
        (r#"{"v":1,"n""#, r#"{"v":1,"N""#),
        ("000000000000002a", "00000000000000002a"),
        (&*"T".repeat(24), &*"T".repeat(25)),
        (&*"S".repeat(43), &*long),
        (&*"T".repeat(24), &*format!("\\u0054{}", "T".repeat(18))),
    ] {
        let bent = spaced.replacen(from, to, 1);
        assert_ne!(bent, spaced);
        assert_eq!(decode(&Bytes::from(bent)).unwrap_err().kind(), ErrorKind::Unreadable, "{to}");
    }
}
