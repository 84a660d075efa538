//! Packed values, and the variant that is written.

use super::*;

#[test]
fn the_variant_found_is_kept_and_a_short_value_takes_the_fleets() {
    let fleet = Codec::json().with_compression(Compression::Zlib);
    let layout = Layout::Cache(fleet);
    let grown = |bytes: &'static [u8]| {
        let mut document = read(&layout, bytes);
        let found = document.codec();
        document.set("a", &Json::encode(&"x".repeat(50)).unwrap()).unwrap();
        (found, Compression::of(&document.write(TIME).unwrap()).unwrap())
    };
    assert_eq!(grown(b"{}"), (fleet, Compression::Zlib));
    // Long enough for zlib, but not compressed: another service does not compress.
    assert_eq!(grown(br#"{"note": "a long one"}"#), (Codec::json(), Compression::None));
    let gzip = Compression::Gzip.pack(Bytes::from_static(br#"{"note": "a long one"}"#));
    let mut document = read(&layout, gzip);
    assert_eq!(document.codec(), Codec::json().with_compression(Compression::Gzip));
    document.remove("note");
    assert_eq!(document.write(TIME).unwrap(), "{}", "too short again");
}

#[test]
fn compressed_values_read_back() {
    let data = Bytes::from(br#"{"a": "Lorem ipsum dolor sit amet"}"#.repeat(300));
    let all = [
        Compression::None,
        Compression::Zlib,
        Compression::Gzip,
        #[cfg(feature = "django-redis")]
        Compression::Lzma,
        #[cfg(feature = "django-redis")]
        Compression::Lz4,
        #[cfg(feature = "django-redis")]
        Compression::Zstd,
    ];
    for compression in all {
        let packed = compression.pack(data.clone());
        assert_eq!(Compression::of(&packed), Ok(compression));
        assert_eq!(compression.unpack(&packed).unwrap(), data, "{compression:?}");
        if compression == Compression::None {
            continue;
        }
        assert!(packed.len() < data.len() / 10, "{compression:?}");
        let threshold = if packed.starts_with(b"\xfd7z") { 100 } else { 15 };
        let short = data.slice(..threshold);
        assert_eq!(compression.pack(short.clone()), short);
        let longer = data.slice(..=threshold);
        assert_eq!(Compression::of(&compression.pack(longer)), Ok(compression));
        let trailing = [&packed[..], b"x"].concat();
        assert_eq!(compression.unpack(&trailing), Err(Refusal::Compression), "{compression:?}");
        let mut changed = packed.to_vec();
        // The checksum, or its substitute.
        let at = changed.len() - if compression == Compression::Gzip { 8 } else { 1 };
        changed[at] ^= 1;
        // Python's lz4 writes no checksum.
        if !packed.starts_with(b"\x04\x22\x4d\x18") {
            assert_eq!(compression.unpack(&changed), Err(Refusal::Compression), "{compression:?}");
        }
        let bomb = Bytes::from(vec![b'a'; 5 << 20]);
        let packed = compression.pack(bomb);
        assert_eq!(Document::read(&cache(), &packed).unwrap_err(), Refusal::TooLarge, "{compression:?}");
    }
}

#[cfg(feature = "django-redis")]
#[test]
fn a_decoder_gets_no_more_memory_than_django_redis_needs() {
    // `lzma.compress(b'{"a": 1}', preset=9)`: a dictionary of 64 MiB.
    let xz = "fd377a585a000004e6d6b446020021011c00000010cf58cc0100077b2261223a20317d00dc67caa1f245c5e100012008bb19d9bb1fb6f37d010000000004595a";
    assert_eq!(Document::read(&cache(), &unhex(xz).into()).unwrap_err(), Refusal::Compression);
    // A window of 1 GiB, then one raw block.
    let zstd = |window: &str| unhex(&format!("28b52ffd00{window}4100007b226122203a317d"));
    assert_eq!(Document::read(&cache(), &zstd("a0").into()).unwrap_err(), Refusal::Compression);
    assert_eq!(text_of(&read(&cache(), zstd("68")), "a"), "1", "8 MiB");
}
