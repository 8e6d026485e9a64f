//! Compression, told by the first bytes and never by a file's name.

use std::io::{self, BufRead as _, BufReader, Read};

/// The most memory that the xz and lzip decoders may take, in bytes. `xz -9` needs 65 MiB; a dictionary of four times
/// that is still unpacked.
const MAX_XZ_MEMORY: u64 = 260 << 20;
/// The largest zstd window, as a power of two: 128 MiB, what `zstd --ultra -22` uses and what decoders accept by default.
const MAX_ZSTD_WINDOW: u32 = 27;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// Not at all, or with something that is not known here.
    None,
    /// gzip (RFC 1952), also several members joined.
    Gzip,
    /// xz, also several streams joined.
    Xz,
    /// lzip, as some GNU projects use.
    Lzip,
    /// bzip2, also several streams joined.
    Bzip2,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// Tells the compression by the first bytes; six are enough.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        const MAGIC: [(&[u8], Compression); 5] = [
            (b"\x1f\x8b", Compression::Gzip),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"LZIP", Compression::Lzip),
            (b"BZh", Compression::Bzip2),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
        ];
        MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map_or(Self::None, |(_, compression)| *compression)
    }
}

/// Returns a reader of the plain bytes, and what they were compressed with.
///
/// What follows the end of a compressed stream and is no further stream is an error, as it is for `gzip -t`, except for
/// zero bytes after gzip members.
pub fn decompress<'a>(reader: impl Read + 'a) -> io::Result<(Compression, Box<dyn Read + 'a>)> {
    let mut reader = BufReader::with_capacity(128 << 10, reader);
    let compression = Compression::of(reader.fill_buf()?);
    let plain: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(reader),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
        Compression::Lzip => {
            let stream = liblzma::stream::Stream::new_lzip_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(reader)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW)?;
            Box::new(decoder)
        }
    };
    Ok((compression, plain))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    pub(crate) fn compress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => bytes.to_vec(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
            Compression::Lzip => unreachable!("nothing here writes lzip"),
        }
    }

    const WRITTEN: [Compression; 5] = [Compression::None, Compression::Gzip, Compression::Xz, Compression::Bzip2, Compression::Zstd];

    #[test]
    fn reads_what_was_compressed_also_in_joined_parts() {
        for compression in WRITTEN {
            let joined = [compress(compression, b"hello, "), compress(compression, b"world")].concat();
            let (found, mut reader) = decompress(&joined[..]).unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!((found, text.as_str()), (compression, "hello, world"));
        }
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error() {
        for compression in WRITTEN.into_iter().filter(|one| *one != Compression::None) {
            let whole = compress(compression, &[7; 100_000]);
            let result = decompress(&whole[..whole.len() - 3]).and_then(|(_, mut reader)| reader.read_to_end(&mut Vec::new()));
            assert!(result.is_err(), "{compression:?}");
        }
    }
}
