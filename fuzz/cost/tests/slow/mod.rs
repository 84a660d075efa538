//! Values that are as slow as possible to read.

mod deflate;
mod lz4;
mod pickle;
mod xz;
mod zstd;

use super::MIB;

/// Values for any compression.
pub(super) fn plain() -> Vec<(String, Vec<u8>)> {
    pickle::all()
}

/// Compressed values that cost the decoders most; each unpacks to as much of `body` as 1 MiB can hold, if it can.
pub(super) fn packed(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    [deflate::all(body), lz4::all(body), xz::all(body), zstd::all(body)].concat()
}

/// Bits, the first one in the lowest position.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    last: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, bits: u32, count: u32) {
        for at in 0..count {
            self.last |= (bits >> at & 1) << self.count;
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.last as u8);
                (self.last, self.count) = (0, 0);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.last as u8);
        }
        self.bytes
    }
}

/// Reproducible numbers without a pattern.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 33) * u64::from(limit)) >> 31) as u32
    }
}
