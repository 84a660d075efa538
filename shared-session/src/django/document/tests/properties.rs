//! Properties of arbitrary values and bytes.

use proptest::prelude::*;

use super::*;

fn codecs() -> Vec<Codec> {
    let mut all = vec![Codec::pickle(), Codec::pickle_protocol(2), Codec::json()];
    all.push(Codec::json().with_compression(Compression::Zlib));
    all.push(Codec::pickle().with_compression(Compression::Gzip));
    #[cfg(feature = "django-redis")]
    all.extend([
        Codec::msgpack(),
        Codec::msgpack().with_compression(Compression::Lz4),
        Codec::json().with_compression(Compression::Zstd),
        Codec::pickle().with_compression(Compression::Lzma),
    ]);
    all
}

/// JSON values.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// In every layout a session behaves like a list of pairs, in order.
    #[test]
    fn a_document_agrees_with_a_dict(steps in prop::collection::vec(("[a-e\u{e9}\"]", prop::option::of(value())), 0..8)) {
        let mut layouts: Vec<_> = codecs().into_iter().map(Layout::Cache).collect();
        layouts.push(signed());
        layouts.push(Layout::Signed(keys(), Codec::pickle()));
        for layout in layouts {
            let mut model: Vec<(Box<str>, Value)> = Vec::new();
            let mut document = Document::new(&layout);
            for (name, value) in &steps {
                let at = model.iter().position(|(known, _)| **known == **name);
                match (value, at) {
                    (Some(value), at) => {
                        document.set(name, &Json::encode(value).unwrap()).unwrap();
                        match at {
                            Some(at) => model[at].1 = value.clone(),
                            None => model.push((name.as_str().into(), value.clone())),
                        }
                    }
                    (None, at) => {
                        document.remove(name);
                        at.map(|at| model.remove(at));
                    }
                }
                document = read(&layout, document.write(TIME).unwrap());
            }
            let entries: Vec<_> = document.entries().into_iter().map(|(n, v)| (n, v.decode::<Value>().unwrap())).collect();
            prop_assert_eq!(&entries, &model);
            for (name, value) in &model {
                prop_assert_eq!(&document.get(name).unwrap().decode::<Value>().unwrap(), value);
            }
            let cached = document.to_cache(Codec::pickle()).unwrap();
            prop_assert!(tree_of(&cached.pairs()) == tree_of(&document.pairs()));
        }
    }

    /// A damaged value is read or refused, and a value that was read can be written.
    #[test]
    fn damaged_values_never_panic(which in any::<prop::sample::Index>(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let records: Vec<_> = records().into_iter().filter(|record| record.layout == "cache").collect();
        let record = which.get(&records);
        let mut bytes = record.bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        whole(&bytes);
    }

    /// The same inside each compression and signature, so that the damage reaches the formats.
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), head in 0..9usize) {
        let heads: [&[u8]; 9] = [b"", b"\x80\x05", b"{\"a\": ", b"\x82", b"\x78\x9c", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F", b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd"];
        let bytes = [heads[head], &bytes].concat();
        whole(&bytes);
        let keys = keys();
        let signed_bytes = Signer::new(&keys, SALT).sign_data(&bytes, TIME);
        let _ = Document::read(&signed(), &signed_bytes.into());
        let _ = Document::read(&signed(), &bytes.clone().into());
    }
}

fn whole(bytes: &[u8]) {
    let Ok(document) = Document::read(&cache(), &Bytes::copy_from_slice(bytes)) else { return };
    for (name, value) in document.entries() {
        let _ = value.decode::<Value>();
        assert!(document.get(&name).is_some());
    }
    if let Ok(written) = document.write(TIME) {
        assert_eq!(tree_of(&read(&cache(), written).pairs()), tree_of(&document.pairs()));
    }
}

#[test]
fn truncation_and_single_bits_never_panic_and_signed_values_are_refused() {
    for record in records() {
        let Some(layout) = layout(&record) else { continue };
        let bytes = record.bytes();
        for len in 0..bytes.len() {
            let result = Document::read(&layout, &bytes.slice(..len));
            // The last bytes of JSON, of pickles and of checksums all matter. A pickle's first byte alone is the empty
            // map of MessagePack.
            let empty = bytes.get(..len) == Some(&[0x80]);
            assert!(result.is_err() || empty, "{} at {len}", record.id);
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << (at % 8);
            let result = Document::read(&layout, &changed.into());
            // Only the last character of unpadded base 64 can have unused bits.
            assert!(record.layout == "cache" || result.is_err(), "{} at {at}", record.id);
        }
    }
}
