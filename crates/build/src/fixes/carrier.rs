//! Reads which patches a pinned source carries: Debian's archive of format 3.0, or its one diff of format 1.0.

use std::io::{self, BufReader, Read};

use base::tarball::{self, ReadError};
use base::{Digest, Store, StoreError};

use crate::native::patch;

/// The longest list of patches, in bytes. Chromium's has 10 KB.
const MAX_SERIES: u64 = 1 << 20;

/// The most that is read of a file that carries patches, in bytes unpacked: the largest of Debian's have some 100 MB.
const MAX_CARRIER: u64 = 1 << 30;

/// The largest diff of format 1.0, in bytes unpacked: it is parsed as a whole, and Debian's largest have some MB.
const MAX_DIFF: u64 = 64 << 20;

/// Why the patches of a source can not be listed.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It can not be unpacked.
    #[error("it can not be unpacked")]
    Unpack(#[source] io::Error),
    /// It is no archive.
    #[error("it can not be read")]
    Archive(#[from] ReadError),
    /// It is no diff.
    #[error("it can not be read")]
    Diff(#[source] patch::PatchError),
    /// The list of patches is no text.
    #[error("`{0}` in it is not UTF-8")]
    Encoding(String),
    /// It is larger than is sane.
    #[error("{what} has more than {limit} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// How many are read.
        limit: u64,
    },
}

/// What a source carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Carried {
    /// The patches of its series, if it has one.
    pub(super) series: Option<Vec<String>>,
    /// Whether it is itself a patch.
    pub(super) is_patch: bool,
}

/// Whether a file of this name carries patches (dpkg-source(1): `.debian.tar.*` since format 3.0, `.diff.gz` before).
pub(super) fn is_carrier(name: &str) -> bool {
    name.contains(".debian.tar.") || is_diff(name)
}

/// Whether a file of this name is one diff.
pub(super) fn is_diff(name: &str) -> bool {
    name.ends_with(".diff.gz")
}

/// Lists what a source carries; `series` is the path of the list in it.
pub(super) fn read(store: &Store, digest: &Digest, name: &str, series: &str) -> Result<Carried, CarrierError> {
    let file = store.open_blob(digest)?;
    let (_, plain) = source::decompress(BufReader::new(file)).map_err(CarrierError::Unpack)?;
    if is_diff(name) {
        let bytes = whole(plain, MAX_DIFF, name)?;
        let diffs = patch::parse(&bytes).map_err(CarrierError::Diff)?;
        let made = diffs.iter().find_map(|diff| diff.made(series));
        return Ok(Carried { series: made.map(|bytes| names(bytes, series)).transpose()?, is_patch: true });
    }
    let mut found = None;
    // Without the limit a small file could unpack for hours; where it cuts, the archive breaks off.
    tarball::read(plain.take(MAX_CARRIER), |item, content| {
        if item.entry.path.as_str() == series {
            found = Some(whole(content, MAX_SERIES, series)?);
        }
        Ok::<(), CarrierError>(())
    })?;
    Ok(Carried { series: found.map(|bytes| names(bytes, series)).transpose()?, is_patch: false })
}

fn whole(reader: impl Read, limit: u64, what: &str) -> Result<Vec<u8>, CarrierError> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(CarrierError::Unpack)?;
    if bytes.len() as u64 > limit { Err(CarrierError::TooLarge { what: what.to_owned(), limit }) } else { Ok(bytes) }
}

fn names(bytes: Vec<u8>, series: &str) -> Result<Vec<String>, CarrierError> {
    let text = String::from_utf8(bytes).map_err(|_| CarrierError::Encoding(series.to_owned()))?;
    Ok(patch::series_names(&text).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_files_that_carry_patches() {
        for (name, carries) in [
            ("musl_1.2.5-3.1~deb13u1.debian.tar.xz", true),
            ("pcre2_10.46-1~deb13u2.diff.gz", true),
            ("musl_1.2.5.orig.tar.gz", false),
            ("fix.diff", false),
        ] {
            assert_eq!(is_carrier(name), carries, "{name}");
        }
    }

    #[test]
    fn a_list_that_is_larger_than_is_sane_is_refused() {
        assert!(matches!(whole(io::repeat(b'a'), 10, "series"), Err(CarrierError::TooLarge { limit: 10, .. })));
    }
}
