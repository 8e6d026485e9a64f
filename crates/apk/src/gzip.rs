//! Gzip members with one way of writing, and reading them one by one.
//!
//! An apk, like a signed index, is a chain of gzip members (RFC 1952 §2.2) whose borders matter: signatures and digests
//! are over the compressed bytes of single members.

use std::io::{self, BufRead, Read, Write};

use flate2::{Compression, GzBuilder, bufread, write};

/// The level of compression.
///
/// Measured on libcrypto.so.3 (4.7 MB): 6 gives 41.3 % at 77 MB/s, 9 gives 39.7 % at 30 MB/s. A package is compressed
/// once and fetched many times. And 9 gives the same bytes however the input comes in pieces; 5 and 6 of zlib-rs do not.
/// Changing it, or the version of zlib-rs, changes every package: golden vectors below say so.
pub const LEVEL: u32 = 9;

/// How many bytes are given to the compressor at once, whatever the caller writes: the pieces must never show in the result.
const BLOCK: usize = 64 << 10;

/// Compresses into one gzip member: no name, no time, unknown system.
#[derive(Debug)]
pub struct Encoder<W: Write> {
    block: Vec<u8>,
    inner: write::GzEncoder<W>,
}

impl<W: Write> Encoder<W> {
    /// Begins a member.
    pub fn new(out: W) -> Self {
        let inner = GzBuilder::new().mtime(0).operating_system(255).write(out, Compression::new(LEVEL));
        Self { block: Vec::with_capacity(BLOCK), inner }
    }

    /// Ends the member and returns the writer below.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&self.block)?;
        self.inner.finish()
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        if self.block.len() == BLOCK {
            self.inner.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(n)
    }

    /// Does nothing: a flush would show in the compressed bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One member, compressed and not.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its bytes in the file.
    pub(crate) raw: Vec<u8>,
    /// What they hold.
    pub(crate) unpacked: Vec<u8>,
}

/// Why a member could not be read.
#[derive(Debug)]
pub(crate) enum MemberError {
    /// It holds, or takes, more bytes than the limit.
    Large,
    /// It is no gzip, or breaks off, or its checksum is wrong.
    Broken(io::Error),
}

/// Reads the next member whole, with at most `limit` bytes compressed and `limit` unpacked; `None` at the end.
pub(crate) fn read_member(reader: &mut impl BufRead, limit: usize) -> Result<Option<Member>, MemberError> {
    if reader.fill_buf().map_err(MemberError::Broken)?.is_empty() {
        return Ok(None);
    }
    let mut recorder = Recorder { inner: reader, raw: Vec::new(), limit };
    let mut decoder = bufread::GzDecoder::new(&mut recorder);
    let mut unpacked = Vec::new();
    let result = (&mut decoder).take(limit as u64 + 1).read_to_end(&mut unpacked);
    drop(decoder);
    if unpacked.len() > limit || recorder.raw.len() > limit {
        return Err(MemberError::Large);
    }
    result.map_err(MemberError::Broken)?;
    Ok(Some(Member { raw: recorder.raw, unpacked }))
}

/// Keeps what is consumed, so that nothing beyond the member's end is taken.
struct Recorder<'r, R> {
    inner: &'r mut R,
    raw: Vec<u8>,
    limit: usize,
}

impl<R: BufRead> BufRead for Recorder<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Compressed bytes that unpack to nothing would otherwise be read without end.
        if self.raw.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(bytes) = self.inner.fill_buf() {
            self.raw.extend_from_slice(&bytes[..count]);
        }
        self.inner.consume(count);
    }
}

impl<R: BufRead> Read for Recorder<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use base::Digest;

    use super::*;

    /// Text that no compressor finds trivial, the same each time.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        let words = ["alpha", "beta", "gamma", "delta", "\0\0\0\0", "epsilon", "0123456789abcdef"];
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend_from_slice(words[next() as usize % words.len()].as_bytes());
            bytes.push(next() as u8);
        }
        bytes.truncate(length);
        bytes
    }

    fn compress(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        for piece in pieces {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn golden_vectors_pin_the_compressor() {
        let empty = [31, 139, 8, 0, 0, 0, 0, 0, 2, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(compress(&[b""]), empty);
        let found: Vec<_> = [1000, 70_000, 1_000_000].map(|length| Digest::of(compress(&[&sample(length)])).hex()).into();
        insta::assert_snapshot!(found.join("\n"));
    }

    #[test]
    fn pieces_do_not_show() {
        let bytes = sample(300_000);
        let whole = compress(&[&bytes]);
        for size in [1, 511, 4096, 65_536, 100_000] {
            let pieces: Vec<_> = bytes.chunks(size).collect();
            assert_eq!(compress(&pieces), whole, "pieces of {size}");
        }
    }

    #[test]
    fn reads_members_one_by_one() {
        let (a, b) = (compress(&[b"first"]), compress(&[b"second"]));
        let chain = [a.clone(), b.clone()].concat();
        for capacity in [1, 7, 8192] {
            let mut reader = io::BufReader::with_capacity(capacity, &chain[..]);
            let one = read_member(&mut reader, 100).unwrap().unwrap();
            assert_eq!((one.raw, one.unpacked), (a.clone(), b"first".to_vec()));
            let two = read_member(&mut reader, 100).unwrap().unwrap();
            assert_eq!((two.raw, two.unpacked), (b.clone(), b"second".to_vec()));
            assert!(read_member(&mut reader, 100).unwrap().is_none());
        }
    }

    #[test]
    fn refuses_more_than_the_limit() {
        let bomb = compress(&[&vec![0; 1 << 20]]);
        assert!(matches!(read_member(&mut &bomb[..], 100_000), Err(MemberError::Large)));
        // A gzip header, then stored blocks without content, for ever.
        let mut idle = compress(&[b""])[..10].to_vec();
        idle.extend([0, 0, 0, 0xff, 0xff].repeat(50_000));
        assert!(matches!(read_member(&mut &idle[..], 100_000), Err(MemberError::Large)));
    }

    #[test]
    fn refuses_what_breaks_off_or_is_no_gzip() {
        let whole = compress(&[b"text"]);
        assert!(matches!(read_member(&mut &whole[..whole.len() - 1], 100), Err(MemberError::Broken(_))));
        assert!(matches!(read_member(&mut &b"hello, this is no gzip"[..], 100), Err(MemberError::Broken(_))));
    }
}
