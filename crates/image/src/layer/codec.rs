//! How a layer's bytes are compressed: block by block, each a whole gzip member (RFC 1952) or zstd frame (RFC 8878).
//!
//! Both formats allow what is joined of whole pieces, so a layer is put together from pieces that were compressed before
//! and neither their order nor their neighbours show in them. A block is compressed from one buffer of fixed size: how the
//! bytes came in can not show, memory stays flat, and blocks may be done side by side.
//!
//! The compressors are pinned by golden vectors below; whoever changes one raises [`super::FORMAT`].

use std::io;

use libdeflater::{CompressionLvl, Compressor};
use oci::media;
use spec::image::Compression;

/// Bytes of a gzip member before compression. Measured on 240 MB of libraries: 28.57 % in blocks of 1 MiB, 28.54 % of 4 MiB.
const GZIP_BLOCK: usize = 1 << 20;
/// libdeflate's level: as small as zlib's 9 (28.6 %), at 110 MB/s in place of 24.
const GZIP_LEVEL: i32 = 6;
/// Bytes of a zstd frame before compression: its window is larger than gzip's 32 KiB and gains from more.
const ZSTD_BLOCK: usize = 4 << 20;
/// 27.4 % at 310 MB/s; level 6 has 25.3 % at 110.
const ZSTD_LEVEL: i32 = 3;

/// A compressor of blocks.
pub(crate) enum Codec {
    Gzip(Box<Compressor>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        match compression {
            Compression::Gzip => {
                let level = CompressionLvl::new(GZIP_LEVEL).unwrap_or_else(|_| unreachable!("a constant level, 0 to 12"));
                Ok(Self::Gzip(Box::new(Compressor::new(level))))
            }
            Compression::Zstd => zstd::bulk::Compressor::new(ZSTD_LEVEL).map(Self::Zstd),
        }
    }

    /// How many bytes a block has; only the last of a segment has fewer.
    pub(crate) fn block(&self) -> usize {
        match self {
            Self::Gzip(_) => GZIP_BLOCK,
            Self::Zstd(_) => ZSTD_BLOCK,
        }
    }

    /// Compresses one block into `out`, which is cleared first.
    pub(crate) fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        match self {
            Self::Gzip(compressor) => {
                out.resize(compressor.gzip_compress_bound(block.len()), 0);
                let length = compressor.gzip_compress(block, out).map_err(io::Error::other)?;
                out.truncate(length);
            }
            Self::Zstd(compressor) => {
                out.reserve(zstd::zstd_safe::compress_bound(block.len()));
                compressor.compress_to_buffer(block, out)?;
            }
        }
        Ok(())
    }
}

/// The media type of a layer.
pub(crate) fn media_type(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => media::LAYER_GZIP,
        Compression::Zstd => media::LAYER_ZSTD,
    }
}

/// Opens what was compressed here: pieces joined together.
pub(crate) fn unpack<'r>(compression: Compression, packed: impl io::BufRead + 'r) -> io::Result<Box<dyn io::Read + 'r>> {
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
    })
}

#[cfg(test)]
mod tests {
    use base::Digest;

    use super::*;
    use crate::layer::FORMAT;

    /// Words, runs of zeros and noise, the same each time.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        let words = ["alpha", "beta", "\0\0\0\0", "epsilon", "0123456789abcdef"];
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend_from_slice(words[next() as usize % words.len()].as_bytes());
            bytes.push(next() as u8);
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn golden_vectors_pin_the_compressors() {
        let digest = |compression, length| {
            let mut out = Vec::new();
            Codec::new(compression).unwrap().compress(&sample(length), &mut out).unwrap();
            format!("{compression:?} {length}: {} bytes, {}\n", out.len(), Digest::of(&out).hex())
        };
        let lengths = [0, 1, 1000, 70_000, 1 << 20];
        let found: String = [Compression::Gzip, Compression::Zstd].iter().flat_map(|one| lengths.map(|n| digest(*one, n))).collect();
        insta::assert_snapshot!(format!("format {FORMAT}\n{found}"));
    }

    #[test]
    fn a_block_says_nothing_of_when_or_where_it_was_made() {
        let mut out = Vec::new();
        Codec::new(Compression::Gzip).unwrap().compress(b"text", &mut out).unwrap();
        // RFC 1952 §2.3.1: no flags (so no name), no time, an unknown system.
        assert_eq!((&out[..3], out[3], &out[4..8], out[9]), (&[31, 139, 8][..], 0, &[0; 4][..], 255));
    }

    #[test]
    fn joined_blocks_unpack_to_the_whole() {
        let bytes = sample(3_000_000);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut codec = Codec::new(compression).unwrap();
            let (mut joined, mut out) = (Vec::new(), Vec::new());
            for block in bytes.chunks(700_000) {
                codec.compress(block, &mut out).unwrap();
                joined.extend_from_slice(&out);
            }
            let mut found = Vec::new();
            unpack(compression, &joined[..]).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == bytes, "{compression:?}");
        }
    }
}
