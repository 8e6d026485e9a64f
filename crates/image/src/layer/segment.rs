//! A segment of a layer, written twice at once: as it is, and compressed block by block.

use std::io::{self, Write};

use spec::image::Compression;

use super::codec::Codec;

/// Takes a segment's bytes; gives them to `raw` as they are and to `packed` compressed.
pub(crate) struct Segment<R: Write, P: Write> {
    codec: Codec,
    block: Vec<u8>,
    out: Vec<u8>,
    raw: R,
    packed: P,
}

impl<R: Write, P: Write> Segment<R, P> {
    pub(crate) fn new(compression: Compression, raw: R, packed: P) -> io::Result<Self> {
        let codec = Codec::new(compression)?;
        Ok(Self { block: Vec::new(), out: Vec::new(), raw, packed, codec })
    }

    /// Ends the segment. One without bytes stays without bytes.
    pub(crate) fn finish(mut self) -> io::Result<(R, P)> {
        self.end_block()?;
        Ok((self.raw, self.packed))
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.codec.compress(&self.block, &mut self.out)?;
        self.raw.write_all(&self.block)?;
        self.packed.write_all(&self.out)?;
        self.block.clear();
        Ok(())
    }
}

impl<R: Write, P: Write> Write for Segment<R, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.codec.block() - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        if self.block.len() == self.codec.block() {
            self.end_block()?;
        }
        Ok(n)
    }

    /// Does nothing: a block ended early would show in the compressed bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sums up what passes by CRC-32: what lies in the store is told from what was put there, at a cost that does not show.
pub(crate) struct Summing<T> {
    inner: T,
    crc: crc32fast::Hasher,
    bytes: u64,
}

impl<T> Summing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, crc: crc32fast::Hasher::new(), bytes: 0 }
    }

    /// Returns the inner value, the sum and the number of bytes.
    pub(crate) fn finish(self) -> (T, u32, u64) {
        (self.inner, self.crc.finalize(), self.bytes)
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.crc.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: io::Read> io::Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.crc.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_show() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 27) as u8).collect();
        let write = |size: usize| {
            let mut segment = Segment::new(Compression::Gzip, Vec::new(), Vec::new()).unwrap();
            for piece in bytes.chunks(size) {
                segment.write_all(piece).unwrap();
                segment.flush().unwrap();
            }
            segment.finish().unwrap()
        };
        let (raw, packed) = write(bytes.len());
        assert!(raw == bytes);
        for size in [511, 65_536, 1 << 20, (1 << 20) + 1] {
            assert!(write(size) == (raw.clone(), packed.clone()), "pieces of {size}");
        }
    }

    #[test]
    fn an_empty_segment_is_empty() {
        assert_eq!(Segment::new(Compression::Zstd, Vec::new(), Vec::new()).unwrap().finish().unwrap(), (vec![], vec![]));
    }
}
