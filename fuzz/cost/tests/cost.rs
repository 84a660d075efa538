//! The cost of hostile values in the reader of Django's sessions: its memory is bounded for any value.

mod slow;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cmp::Reverse,
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use shared_session::{
    SecretKeys,
    django::{Codec, Django},
};

const MAX_PEAK: usize = 16 << 20;
const MIB: usize = 1 << 20;

/// Counts the allocated memory. A block that grows counts twice while it is moved.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: passes all calls unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(size, Relaxed) + size, Relaxed);
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}

struct Cost {
    refused: Option<String>,
    peak: usize,
    time: Duration,
}

/// The cost of reading a value.
fn cost(fleet: &Django, bytes: &[u8]) -> Cost {
    // Only one test measures at a time, because the harness prints from its own threads.
    static ONE: Mutex<()> = Mutex::new(());
    let _guard = ONE.lock();
    let bytes = Bytes::copy_from_slice(bytes);
    let read = || fleet.cached_db_copy(&bytes, Codec::pickle()).err().map(|error| error.to_string());
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let refused = read();
    let peak = PEAK.load(Relaxed) - before;
    let time = |()| {
        let start = now();
        read();
        now().saturating_sub(start)
    };
    // The minimum counts.
    let time = [(); 5].map(time).into_iter().min().unwrap_or_default();
    Cost { refused, peak, time }
}

/// The processor time of this thread, because the machine may be busy.
fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes only to `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn fixture() -> Vec<(String, Vec<u8>)> {
    let text = include_str!("../../../shared-session/tests/fixtures/pickle/hostile.json");
    let map: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
    let byte = |hex: &[u8]| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap();
    map.into_iter().map(|(name, hex)| (name, hex.as_bytes().chunks(2).map(byte).collect())).collect()
}

/// As many `part`s between `head` and `tail` as fit into the largest value.
fn repeated(head: &[u8], part: &[u8], tail: &[u8]) -> Vec<u8> {
    let count = (MIB - head.len() - tail.len()) / part.len();
    [head, &part.repeat(count), tail].concat()
}

/// Values that use as much memory as they can; each is refused only at its end.
fn greedy() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(&str, Vec<u8>)> = vec![
        ("zeros", vec![0; MIB]),
        ("json_numbers", repeated(b"{\"a\":[1", b",1", b"]}x")),
        ("json_lists", repeated(b"{\"a\":[[1]", b",[1]", b"]}x")),
        ("json_objects", repeated(b"{\"a\":[0", b",{\"\":1}", b"]}x")),
        ("json_string", repeated(b"{\"a\":\"", b"x", b"\"}x")),
        ("json_escapes", repeated(b"{\"a\":\"", b"\\ud800", b"\"}x")),
        ("json_long_integers", repeated(b"{\"a\":[1", &[b",", &b"9".repeat(4300)[..]].concat(), b"]}x")),
        ("json_floats", repeated(b"{\"a\":[1", b",1.7976931348623157e308", b"]}x")),
        ("json_deep", repeated(b"{\"a\":", b"[", b"")),
        ("msgpack_nil", repeated(b"\xde\x00\x01\xa1a\xdd\x00\x01\xff\xfc", b"\xc0", b"x")),
        ("msgpack_lists", repeated(b"\xde\x00\x01\xa1a\xdd\x00\x00\xff\xfc", b"\x91\xc0", b"x")),
        ("msgpack_maps", repeated(b"\xde\x00\x01\xa1a\xdd\x00\x00\xaa\xa8", b"\x81\xc0\xc0", b"x")),
        ("msgpack_extensions", repeated(b"\xde\x00\x01\xa1a\xdd\x00\x01\xff\xfc", b"\xd4\x00\x00", b"x")),
        ("pickle_lists", repeated(b"\x80\x05}(", b"]", b"x")),
        ("pickle_lists_of_one", repeated(b"\x80\x05}(", b"]Na", b"x")),
        ("pickle_dicts_of_one", repeated(b"\x80\x05}(", b"}NNs", b"x")),
        ("pickle_memo", repeated(b"\x80\x05}(", b"]\x94", b"x")),
        ("pickle_calls", repeated(b"\x80\x05cuuid\nUUID\n\x94(", b"h\0)\x81", b"x")),
        ("pickle_tuples", repeated(b"\x80\x05}(", b"N\x85", b"x")),
        ("pickle_strings", repeated(b"\x80\x05}(", b"\x8c\x01a", b"x")),
        ("pickle_text", repeated(b"\x80\x05}(V", b"\xff", b"\nx")),
        ("pickle_long", repeated(b"\x80\x05}(", &[b"I", &b"9".repeat(2400)[..], b"\n"].concat(), b"x")),
    ];
    let members = |member: fn(usize) -> Vec<u8>, count: usize| (0..count).flat_map(member).collect::<Vec<u8>>();
    let json = members(|at| format!(",\"{at:x}\":1").into_bytes(), 100_000);
    all.push(("json_members", [&b"{\"\":1"[..], &json, b"}x"].concat()));
    let nested = [&b"{\"\":{\"\":1"[..], &json, b"}}x"].concat();
    all.push(("json_members_within", nested));
    let packed = members(|at| [&[0xa5][..], format!("{at:05x}").as_bytes(), &[0xc0]].concat(), 60_000);
    all.push(("msgpack_members", [&[0xdf, 0, 0, 0xea, 0x60][..], &packed, b"x"].concat()));
    let keys = members(|at| [&[0x8c, 5][..], format!("{at:05x}").as_bytes(), b"N"].concat(), 100_000);
    // One key appears twice.
    all.push(("pickle_members", [&b"\x80\x05}("[..], &keys, b"\x8c\x0500000Nu."].concat()));
    all.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn packed(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(data).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(data).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(data).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(6)).unwrap();
    xz.write_all(data).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest);
    vec![
        ("zlib", zlib.finish().unwrap()),
        ("gzip", gzip.finish().unwrap()),
        ("lz4", lz4.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("zstd", zstd),
    ]
}

/// `cargo test --release -- --nocapture` also shows the times.
#[test]
fn refusing_a_hostile_value_takes_less_than_16_mib() {
    let cache = Django::cache();
    let mut costs = Vec::new();
    for (name, bytes) in fixture().into_iter().chain(greedy()).chain(slow::plain()) {
        for (how, packed) in packed(&bytes) {
            costs.push((format!("{name}, {how}"), cost(&cache, &packed)));
        }
        costs.push((name, cost(&cache, &bytes)));
    }
    let body = repeated(b"\x80\x05cuuid\nUUID\n\x94(", b"h\0)\x81", b"x");
    for (name, bytes) in slow::packed(&body) {
        assert!(bytes.len() <= MIB, "{name}: {}", bytes.len());
        costs.push((name, cost(&cache, &bytes)));
    }
    for size in [5, 64] {
        for (how, packed) in packed(&vec![b'a'; size * MIB]) {
            costs.push((format!("bomb of {size} MiB, {how}"), cost(&cache, &packed)));
        }
    }
    // Windows of 8 MiB and 1 GiB, without data.
    for window in [0x68, 0xa0] {
        let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, window, 0x41, 0, 0, 0x7b];
        costs.push((format!("zstd, window {window:#x}"), cost(&cache, &zstd)));
    }
    let rows = Django::db(SecretKeys::django("key").unwrap());
    let text = "A".repeat(MIB - 100);
    for (name, signed) in [
        ("signed by nobody", format!("{text}:1r31eq:{}", "A".repeat(43))),
        ("legacy, signed by nobody", STANDARD.encode([&[b'a'; 40][..], b":", &[b'x'; 700_000]].concat())),
        ("no Base64", "!".repeat(MIB)),
    ] {
        costs.push((name.to_owned(), cost(&rows, signed.as_bytes())));
    }
    costs.sort_by_key(|(_, cost)| (cost.peak, cost.time));
    let refused = costs.iter().filter(|(_, cost)| cost.refused.is_some());
    for (name, Cost { refused, peak, time }) in &costs {
        println!("{peak:>9} B {time:>12.1?} {name}: {}", refused.as_deref().unwrap_or("accepted"));
    }
    assert!(refused.clone().count() > 400);
    for (name, cost) in refused {
        assert!(cost.peak < MAX_PEAK, "{name}: {} bytes", cost.peak);
    }
    costs.sort_by_key(|(_, cost)| Reverse(cost.time));
    for (name, Cost { time, .. }) in costs.iter().take(5) {
        println!("{time:>12.1?} {name}: among the slowest");
    }
}
