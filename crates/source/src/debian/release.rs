//! Release files: a suite's name and the hashes of its indexes (apt's repository format).

use std::collections::BTreeMap;

use base::Digest;

use super::{ControlError, Paragraphs};

/// An index as a release file lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its hash.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A suite's release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its place in the order of things: `stable`.
    pub suite: Option<String>,
    /// Its name: `trixie`.
    pub codename: Option<String>,
    /// The point release: `13.8`.
    pub version: Option<String>,
    /// When it was made, as it is written.
    pub date: Option<String>,
    /// Whether indexes are also kept under their hashes, so that an update halfway does no harm.
    pub by_hash: bool,
    /// Indexes by their path below the suite's folder.
    pub files: BTreeMap<String, Listed>,
}

/// Why a release file can not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It is not text.
    #[error("the release file is not UTF-8")]
    Encoding,
    /// It is not in the form of a cleartext signature (RFC 9580, 7).
    #[error("the release file is not a cleartext-signed message")]
    Cleartext,
    /// It is not a control file.
    #[error("the release file")]
    Control(#[from] ControlError),
    /// There are no hashes.
    #[error("the release file has no field `SHA256`")]
    NoHashes,
    /// A line of hashes is broken.
    #[error("`{0}` in the release file is no hash, size and path")]
    Line(String),
    /// The file is of another suite than was asked for.
    #[error("asked for the suite {asked}, the mirror gave {given}")]
    Suite {
        /// The suite that was asked for.
        asked: String,
        /// What the file says.
        given: String,
    },
}

impl Release {
    /// Parses the text of a release file, which must be of `suite`: otherwise a mirror could pass off an old one.
    pub fn parse(text: &str, suite: &str) -> Result<Self, ReleaseError> {
        let paragraph = Paragraphs::new(text.as_bytes()).next().transpose()?.ok_or(ReleaseError::NoHashes)?;
        let field = |name: &str| paragraph.get(name).map(str::to_owned);
        let (its_suite, codename) = (field("Suite"), field("Codename"));
        if its_suite.as_deref() != Some(suite) && codename.as_deref() != Some(suite) {
            let given = codename.or(its_suite).unwrap_or_else(|| "one without a name".into());
            return Err(ReleaseError::Suite { asked: suite.to_owned(), given });
        }
        let hashes = paragraph.get("SHA256").ok_or(ReleaseError::NoHashes)?;
        let files = hashes.lines().filter(|line| !line.trim().is_empty()).map(listed).collect::<Result<_, _>>()?;
        let by_hash = paragraph.get("Acquire-By-Hash") == Some("yes");
        Ok(Self { suite: its_suite, codename, version: field("Version"), date: field("Date"), by_hash, files })
    }
}

fn listed(line: &str) -> Result<(String, Listed), ReleaseError> {
    let mut words = line.split_whitespace();
    let parsed = (|| {
        let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
        Some((path.to_owned(), Listed { digest: Digest::from_hex(digest).ok()?, size: size.parse().ok()? }))
    })();
    parsed.ok_or_else(|| ReleaseError::Line(line.chars().take(120).collect()))
}

/// Returns the text inside a cleartext signature, which is *not* checked here.
pub(super) fn unwrap_cleartext(message: &str) -> Result<String, ReleaseError> {
    let body = message.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----\n").ok_or(ReleaseError::Cleartext)?;
    let (_headers, body) = body.split_once("\n\n").ok_or(ReleaseError::Cleartext)?;
    let (text, _) = body.split_once("\n-----BEGIN PGP SIGNATURE-----").ok_or(ReleaseError::Cleartext)?;
    Ok(text.lines().map(|line| format!("{}\n", line.strip_prefix("- ").unwrap_or(line))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let hash = Digest::of(b"x").hex();
        format!("Suite: stable\nCodename: trixie\nVersion: 13.8\nAcquire-By-Hash: yes\nSHA256:\n {hash}  12 main/source/Sources.xz\n")
    }

    #[test]
    fn reads_the_hashes_of_indexes() {
        let release = Release::parse(&text(), "trixie").unwrap();
        assert_eq!(release.files["main/source/Sources.xz"], Listed { digest: Digest::of(b"x"), size: 12 });
        assert!(release.by_hash && Release::parse(&text(), "stable").is_ok());
    }

    #[test]
    fn refuses_another_suite_and_broken_hashes() {
        assert!(matches!(Release::parse(&text(), "bookworm"), Err(ReleaseError::Suite { .. })));
        assert!(matches!(Release::parse(&text().replace("SHA256:", "MD5Sum:"), "trixie"), Err(ReleaseError::NoHashes)));
        assert!(matches!(Release::parse(&text().replace("  12 ", " x "), "trixie"), Err(ReleaseError::Line(_))));
        assert!(matches!(Release::parse("", "trixie"), Err(ReleaseError::NoHashes)));
    }

    #[test]
    fn takes_the_text_out_of_a_cleartext_signature() {
        let message = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\na\n- -dash\n-----BEGIN PGP SIGNATURE-----\n\nxx\n";
        assert_eq!(unwrap_cleartext(message).unwrap(), "a\n-dash\n");
        for broken in ["", "a\n", &message[..message.len() - 40], &message[5..]] {
            assert!(matches!(unwrap_cleartext(broken), Err(ReleaseError::Cleartext)));
        }
    }
}
