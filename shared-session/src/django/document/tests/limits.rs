//! The limits of size and depth.

use super::*;

#[test]
fn nothing_is_written_that_could_not_be_read() {
    let codecs = [
        Codec::pickle(),
        Codec::json(),
        #[cfg(feature = "django-redis")]
        Codec::msgpack(),
    ];
    for codec in codecs {
        let layout = Layout::Cache(codec);
        let mut nested = PyValue::List(vec![]);
        for depth in 1..200 {
            let mut document = Document::new(&layout);
            let set = document.set("a", &Json::python(nested.clone()));
            if let Ok(bytes) = set.and_then(|()| document.write(TIME)) {
                assert!(Document::read(&layout, &bytes).is_ok(), "{codec:?} at {depth}");
            }
            nested = PyValue::List(vec![nested]);
        }
        let mut document = Document::new(&layout);
        let items = PyValue::List(vec![1.into(); 50_000]);
        let result = (0..5).try_for_each(|n| document.set(&n.to_string(), &Json::python(items.clone())));
        let error = result.and_then(|()| document.write(TIME)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{codec:?}");
        let mut document = Document::new(&layout);
        document.set("a", &Json::encode(&"x".repeat(2 << 20)).unwrap()).unwrap();
        assert_eq!(document.write(TIME).unwrap_err().kind(), ErrorKind::TooLarge, "{codec:?}");
    }
}

/// Half a mebibyte of each kind of content can be read and written.
#[test]
fn large_sessions_are_read_and_written() {
    let codecs = [
        Codec::pickle(),
        Codec::json(),
        Codec::json().with_compression(Compression::Zlib),
        #[cfg(feature = "django-redis")]
        Codec::msgpack().with_compression(Compression::Zstd),
        #[cfg(feature = "django-redis")]
        Codec::json().with_compression(Compression::Lzma),
    ];
    let numbers = (0..70_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let objects = vec![r#"{"name":"A long name","count":2,"price":"1.50"}"#; 11_000].join(",");
    let text = format!("\"{}\"", "x".repeat(512 * 1024));
    for codec in codecs {
        let layout = Layout::Cache(codec);
        for value in [format!("[{numbers}]"), format!("[{objects}]"), text.clone()] {
            let mut document = Document::new(&layout);
            document.set("a", &Json::from_text(value.clone().into())).unwrap();
            let again = read(&layout, document.write(TIME).unwrap());
            assert!(again.get("a") == document.get("a") && again.get("a").is_some(), "{codec:?}");
        }
        let mut document = Document::new(&layout);
        for name in 0..10_000 {
            document.set(&format!("entry-{name}"), &json_text(r#"{"a":"what an entry holds"}"#)).unwrap();
        }
        assert_eq!(read(&layout, document.write(TIME).unwrap()).entries().len(), 10_000);
    }
}

#[test]
fn a_document_over_1_mib_unpacked_is_neither_read_nor_written() {
    let large = |len: usize| Bytes::from(format!("{{\"a\": \"{}\"}}", "x".repeat(len)));
    let compressed = Compression::Zlib.pack(large(MAX_BYTES));
    assert_eq!(Document::read(&cache(), &compressed).unwrap_err(), Refusal::TooLarge);
    let layout = Layout::Cache(Codec::json().with_compression(Compression::Zlib));
    let mut document = read(&layout, Compression::Zlib.pack(large(MAX_BYTES - 10)));
    document.set("b", &json_text("[1, 2, 3]")).unwrap();
    assert_eq!(document.write(TIME).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn too_many_entries_are_refused() {
    let entries = |count: usize| {
        let entries: Vec<_> = (0..count).map(|name| format!("\"{name}\": 1")).collect();
        Bytes::from(format!("{{{}}}", entries.join(", ")))
    };
    assert_eq!(Document::read(&cache(), &entries(1 << 14)).unwrap().entries().len(), 1 << 14);
    assert_eq!(Document::read(&cache(), &entries((1 << 14) + 1)).unwrap_err(), Refusal::Json("nodes"));
}

#[test]
fn a_value_that_is_too_deep_is_refused_when_it_is_set() {
    let nested = |depth| Json::from_text(("[".repeat(depth) + &"]".repeat(depth)).into());
    let mut document = Document::new(&Layout::Cache(Codec::json()));
    document.set("a", &nested(127)).unwrap();
    assert_eq!(document.set("a", &nested(128)).unwrap_err().kind(), ErrorKind::TooLarge);
}
