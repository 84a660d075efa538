#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

const DATA: &[u8] = br#"{"cart": [1, 2, 3], "cart again": [1, 2, 3]}"#;

/// Shorter or longer data is refused, and a change never unpacks to other data: some bits are padding.
fn only_whole(compression: Compression, packed: &[u8]) {
    only_whole_lengths(compression, packed);
    for at in 0..packed.len() {
        for bit in 0..8 {
            let mut changed = packed.to_vec();
            changed[at] ^= 1 << bit;
            assert!(!compression.unpack(&changed).is_ok_and(|data| data != DATA), "bit {bit} of byte {at}");
        }
    }
}

fn only_whole_lengths(compression: Compression, packed: &[u8]) {
    assert_eq!(compression.unpack(packed).unwrap(), DATA);
    for len in 0..packed.len() {
        assert_eq!(compression.unpack(&packed[..len]), Err(Refusal::Compression), "{len} bytes");
    }
    for more in [&b"\0"[..], b"\0\0\0\0", packed] {
        assert_eq!(compression.unpack(&[packed, more].concat()), Err(Refusal::Compression), "and {} bytes", more.len());
    }
}

/// Bits, the first in the lowest place.
fn bits(all: impl Iterator<Item = (u32, u32)>) -> Vec<u8> {
    let all = all.flat_map(|(bits, count)| (0..count).map(move |at| (bits >> at & 1) as u8)).collect::<Vec<_>>();
    all.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

/// Deflated: blocks without data, each of ten bits, and a last one.
fn empty_blocks(count: usize) -> Vec<u8> {
    bits(std::iter::repeat_n((0b010, 10), count).chain([(0b011, 10)]))
}

/// A member of gzip with these flags and their fields.
fn member(flags: u8, fields: &[u8]) -> Vec<u8> {
    let packed = deflate::gzip(DATA).unwrap();
    [&packed[..3], &[flags], &packed[4..10], fields, &packed[10..]].concat()
}

#[test]
fn only_whole_zlib_streams_are_read() {
    only_whole(Compression::Zlib, &zlib(DATA));
}

#[test]
fn only_whole_gzip_members_are_read() {
    only_whole(Compression::Gzip, &deflate::gzip(DATA).unwrap());
}

#[test]
fn all_fields_of_a_head_of_gzip_are_read() {
    let read = |flags, fields: &[u8]| Compression::Gzip.unpack(&member(flags, fields));
    assert_eq!(read(1, b"").unwrap(), DATA);
    assert_eq!(read(4, b"\x03\0abc").unwrap(), DATA);
    assert_eq!(read(8, b"name\0").unwrap(), DATA);
    assert_eq!(read(16, b"comment\0").unwrap(), DATA);
    let all = b"\x03\0abcname\0comment\0";
    assert_eq!(read(28, all).unwrap(), DATA);
    let sum = deflate::crc32(&[&member(30, b"")[..10], all].concat()) as u16;
    assert_eq!(read(30, &[all, &sum.to_le_bytes()[..]].concat()).unwrap(), DATA);
    assert_eq!(read(30, &[all, &(sum ^ 1).to_le_bytes()[..]].concat()), Err(Refusal::Compression));
    for reserved in [32, 64, 128] {
        assert_eq!(read(reserved, b""), Err(Refusal::Compression));
    }
    let name = |len: usize| [&vec![b'n'; len][..], b"\0"].concat();
    assert_eq!(read(8, &name(65_535)).unwrap(), DATA);
    assert_eq!(read(8, &name(65_536)), Err(Refusal::Compression));
}

#[test]
fn a_stream_of_very_many_blocks_is_refused() {
    let read = |count| Compression::Zlib.unpack(&[&[0x78, 0x9c], &empty_blocks(count)[..], &[0, 0, 0, 1]].concat());
    assert_eq!(read(0).unwrap(), b"");
    assert_eq!(read(256).unwrap(), b"");
    assert_eq!(read(257), Err(Refusal::Compression));
    let gzip = |count| Compression::Gzip.unpack(&[&member(0, b"")[..10], &empty_blocks(count)[..], &[0; 8]].concat());
    assert_eq!(gzip(256).unwrap(), b"");
    assert_eq!(gzip(257), Err(Refusal::Compression));
}

#[test]
fn as_much_as_may_be_unpacked_is() {
    for compression in [
        Compression::Zlib,
        Compression::Gzip,
        #[cfg(feature = "django-redis")]
        Compression::Lzma,
        #[cfg(feature = "django-redis")]
        Compression::Lz4,
        #[cfg(feature = "django-redis")]
        Compression::Zstd,
    ] {
        // Without any pattern, for as many blocks as possible; and deterministic.
        let mut state = 1_u32;
        let noise = std::iter::from_fn(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(b' ' + (state >> 26) as u8)
        });
        let limit = compression.limit();
        let noise: Vec<u8> = noise.take(limit).collect();
        for data in [noise, vec![b'a'; limit]] {
            let packed = compression.pack(Bytes::from(data.clone()));
            assert!(compression.unpack(&packed).unwrap() == data, "{compression:?}");
        }
        for len in [limit + 1, limit + 65_535, 2 * MAX_BYTES] {
            let data = Bytes::from(vec![b'a'; len]);
            assert_eq!(compression.pack(data.clone()), data);
            let packed = match compression {
                #[cfg(feature = "django-redis")]
                Compression::Lzma => xz::pack(&data).unwrap(),
                #[cfg(feature = "django-redis")]
                Compression::Lz4 => lz4::pack(&data).unwrap(),
                #[cfg(feature = "django-redis")]
                Compression::Zstd => zstd::pack(&data),
                Compression::Gzip => deflate::gzip(&data).unwrap(),
                _ => zlib(&data),
            };
            assert_eq!(compression.unpack(&packed), Err(Refusal::TooLarge), "{compression:?}");
        }
    }
}

#[cfg(feature = "django-redis")]
mod of_django_redis {
    use std::io::Write as _;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    use super::*;
    use crate::django::document::tests::unhex;

    fn lz4(info: FrameInfo, data: &[u8], len: usize) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        for part in data.chunks(len) {
            encoder.write_all(part).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn only_whole_lz4_frames_are_read() {
        let checked = FrameInfo::new().block_checksums(true).content_checksum(true);
        only_whole(Compression::Lz4, &lz4(checked.content_size(Some(DATA.len() as u64)), DATA, 20));
        only_whole(Compression::Lz4, &lz4(FrameInfo::new().content_checksum(true), DATA, 20));
    }

    #[test]
    fn an_lz4_frame_of_very_many_blocks_is_refused() {
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            let info = || FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(mode);
            assert_eq!(Compression::Lz4.unpack(&lz4(info(), &[b'a'; 256], 1)).unwrap(), [b'a'; 256]);
            assert_eq!(Compression::Lz4.unpack(&lz4(info(), &[b'a'; 257], 1)), Err(Refusal::Compression));
        }
    }

    /// Raw blocks of these sizes.
    fn zstd(window: u8, blocks: &[usize]) -> Vec<u8> {
        let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        for (at, len) in blocks.iter().enumerate() {
            let last = u32::from(at + 1 == blocks.len());
            out.extend_from_slice(&((*len as u32) << 3 | last).to_le_bytes()[..3]);
            out.extend(std::iter::repeat_n(b'a', *len));
        }
        out
    }

    #[test]
    fn only_whole_zstd_frames_are_read() {
        // `zstd --check`
        let packed =
            "28b52ffd0458250100d87b2263617274223a205b312c20322c20335d2c2020616761696e7d02003cb9b07632016a997a65";
        only_whole(Compression::Zstd, &unhex(packed));
        only_whole_lengths(Compression::Zstd, &Compression::Zstd.pack(DATA.into()));
    }

    #[test]
    fn a_zstd_frame_of_very_many_blocks_is_refused() {
        assert_eq!(Compression::Zstd.unpack(&zstd(0, &[1; 512])).unwrap(), [b'a'; 512]);
        assert_eq!(Compression::Zstd.unpack(&zstd(0, &[1; 513])), Err(Refusal::Compression));
    }

    #[test]
    fn a_zstd_window_is_8_mib_at_most_and_no_limit_to_the_data() {
        const BLOCK: usize = 128 << 10;
        // 128 KiB, 256 KiB, 1.125 MiB and 8 MiB.
        for window in [0x38, 0x40, 0x51, 0x68] {
            assert_eq!(Compression::Zstd.unpack(&zstd(window, &[BLOCK; 2])).unwrap().len(), 2 * BLOCK);
            for more in [1, BLOCK] {
                let blocks = [&[BLOCK; 2][..], &[more]].concat();
                assert_eq!(Compression::Zstd.unpack(&zstd(window, &blocks)), Err(Refusal::TooLarge), "{window:#x}");
            }
        }
        assert_eq!(Compression::Zstd.unpack(&zstd(0x69, &[1])), Err(Refusal::Compression));
    }
}
