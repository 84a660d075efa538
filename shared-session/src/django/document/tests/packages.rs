//! The output of Django and its packages, byte for byte.

use super::*;

const EDITS: &str = include_str!("../../../../tests/fixtures/django/edits.json");

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    identical: usize,
    /// Compressed: equal when unpacked.
    equal: usize,
    refused: usize,
}

fn needs_django_redis(bytes: &[u8]) -> bool {
    matches!(bytes, [0xfd | 0x04 | 0x28, _, ..] | [0x80..=0x8f] | [0x81..=0x8f, ..])
}

#[test]
fn records_of_real_packages_are_read_and_written_back() {
    let mut tally = Tally::default();
    for record in records() {
        let Some(layout) = layout(&record) else { continue };
        let bytes = record.bytes();
        if cfg!(not(feature = "django-redis")) && needs_django_redis(&bytes) {
            let refusal = Document::read(&layout, &bytes).expect_err("needs the feature");
            assert!(refusal.to_string().contains("django-redis"), "{}", record.id);
            continue;
        }
        let Some(reads) = record.reads else {
            let refusal = Document::read(&layout, &bytes).expect_err("a refusal").to_string();
            assert!(refusal.contains(&record.refused.unwrap()), "{}", record.id);
            tally.refused += 1;
            continue;
        };
        let document = read(&layout, bytes.clone());
        assert_eq!(tree_of(&document.pairs()), reads, "{}", record.id);
        let written = document.write(TIME).unwrap();
        let packed = match &layout {
            Layout::Cache(_) => Compression::of(&bytes).unwrap() != Compression::None,
            Layout::Signed(..) => bytes.starts_with(b"."),
        };
        if !packed {
            assert_eq!(written, bytes, "{}", record.id);
            tally.identical += 1;
            continue;
        }
        tally.equal += 1;
        match &layout {
            Layout::Cache(_) => {
                assert_eq!(unpacked(&written), unpacked(&bytes), "{}", record.id);
                assert_eq!(Compression::of(&written), Compression::of(&bytes), "{}", record.id);
            }
            // Another build of zlib may decide that compression saves too little.
            Layout::Signed(keys, _) => {
                let data =
                    |text: &Bytes| Signer::new(keys, SALT).unsign_data(std::str::from_utf8(text).unwrap()).unwrap();
                assert_eq!(data(&written), data(&bytes), "{}", record.id);
            }
        }
    }
    let expected = if cfg!(feature = "django-redis") {
        Tally { identical: 90, equal: 21, refused: 5 }
    } else {
        Tally { identical: 83, equal: 14, refused: 5 }
    };
    assert_eq!(tally, expected);
}

#[test]
fn an_edit_has_the_bytes_that_python_gives_it() {
    #[derive(Deserialize)]
    struct Edit {
        id: String,
        layout: String,
        before: String,
        after: String,
    }
    let edits: Vec<Edit> = serde_json::from_str(EDITS).unwrap();
    for edit in edits {
        let (before, after) = (unhex(&edit.before), unhex(&edit.after));
        if cfg!(not(feature = "django-redis")) && needs_django_redis(&before) {
            continue;
        }
        let layout = if edit.layout == "cache" { cache() } else { signed() };
        let mut document = read(&layout, before);
        let cart = r#"{"A-1": 3, "B-2": 1.5e300, "list": [1, null, true, 0.1, 1e16, 1e-7]}"#;
        document.set("cart", &json_text(cart)).unwrap();
        document.set("fresh", &Json::encode("\u{e9}\u{1f980}\"\\\n\u{7f}").unwrap()).unwrap();
        document.remove("gone");
        document.remove("absent");
        let written = document.write(TIME).unwrap();
        if after.starts_with(b".") {
            let data = |text: &[u8]| {
                let keys = keys();
                Signer::new(&keys, SALT).unsign_data(std::str::from_utf8(text).unwrap()).unwrap()
            };
            assert_eq!(hex(&data(&written)), hex(&data(&after)), "{}", edit.id);
        } else {
            assert_eq!(hex(&written), hex(&after), "{}", edit.id);
        }
    }
}

#[test]
fn strings_of_django_read_as_strings_and_stay_what_they_are() {
    let bytes = b"\x80\x05}\x94(\x8c\x01s\x94\x8c\x16django.utils.safestring\x94"; // shortened module: not Django's
    assert!(Document::read(&cache(), &Bytes::from_static(bytes)).is_err());
    let edits: Vec<Value> = serde_json::from_str(EDITS).unwrap();
    let before = edits.iter().find(|edit| edit["id"] == "pickle5").unwrap()["before"].as_str().unwrap();
    let document = read(&cache(), unhex(before));
    assert_eq!(document.get("safe").unwrap().decode::<String>().unwrap(), "<b>");
    assert_eq!(document.write(TIME).unwrap(), unhex(before));
    // A new `SafeString` cannot be created: its class is Django's.
    let error = Document::new(&cache()).set("safe", &document.get("safe").unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    let mut plain = Document::new(&Layout::Cache(Codec::json()));
    plain.set("safe", &document.get("safe").unwrap()).unwrap();
    assert_eq!(plain.write(TIME).unwrap(), r#"{"safe": "<b>"}"#);
}

#[test]
fn the_cache_of_cached_db_gets_the_entries_of_the_row() {
    let mut same = 0;
    for record in records().iter().filter(|record| record.id.starts_with("cached_db/")) {
        let row = self::record(&record.id.replace("cached_db/", "cached_db_row/"));
        let cached = read(&signed(), row.bytes()).to_cache(Codec::pickle()).unwrap();
        assert_eq!(cached.codec(), Codec::pickle());
        let written = cached.write(TIME).unwrap();
        assert_eq!(tree_of(&read(&cache(), written.clone()).pairs()), row.reads.unwrap(), "{}", record.id);
        same += usize::from(written == record.bytes());
    }
    // Django caches the original values; in three rows some detail is lost: an integer as key, a tuple, one string many
    // times.
    assert_eq!(same, 5);
    let row = read(&signed(), record("django42/pickle_serializer/types").bytes());
    assert_eq!(tree_of(&row.to_cache(Codec::pickle()).unwrap().pairs()), tree_of(&row.pairs()));
    let json = row.to_cache(Codec::json().with_compression(Compression::Zlib)).unwrap();
    assert_eq!(
        unpacked(&json.write(TIME).unwrap()),
        format!(r#"{{"at": "2024-02-29T12:34:56Z", "p": "1.10", "t": [1, 2], "s": "{}"}}"#, "x".repeat(100)).as_bytes()
    );
}
