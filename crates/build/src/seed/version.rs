//! A Debian version as one of apk's.
//!
//! apk's grammar has no place for most of what Debian writes. A seed's version is the numbers that upstream's begins
//! with, then, where apk has a commit, the start of the sha256 of all of Debian's version: `1:5.2.37-2+b9` becomes
//! `5.2.37~62f1…-r0`. So different versions stay different, and equal numbers can be compared; nothing compares more,
//! since a lock has one version of each seed. The whole version is in the package's `commit`.

use base::{Digest, Version};
use source::debian;

/// Hex digits of the hash: two of a lock's versions meet in it by chance once in 2^48.
const DIGITS: usize = 12;

/// Returns the apk version of a Debian version.
pub(super) fn apk_version(version: &debian::Version) -> Version {
    let hash = &Digest::of(version.as_str()).hex()[..DIGITS];
    let text = format!("{}~{hash}-r0", numbers(version.upstream()));
    text.parse().unwrap_or_else(|error| unreachable!("numbers, a hash and a revision are a version: {error}"))
}

/// The dotted numbers at the start, `0` where there are none.
fn numbers(upstream: &str) -> &str {
    let mut end = 0;
    for part in upstream.split('.') {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            break;
        }
        let dot = usize::from(end > 0);
        end += dot + digits;
        if digits < part.len() {
            break;
        }
    }
    if end == 0 { "0" } else { &upstream[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_with_upstreams_numbers() {
        let cases = [
            ("1:5.2.37-2+b9", "5.2.37"),
            ("14.2.0-19", "14.2.0"),
            ("1:1.3.dfsg+really1.3.1-1", "1.3"),
            ("20250419", "20250419"),
            ("6.5+20250216-2", "6.5"),
            ("2:6.3.0+dfsg-3", "6.3.0"),
            ("a1", "0"),
            ("5.40.1-6+deb13u1", "5.40.1"),
        ];
        for (debian, numbers) in cases {
            let version = apk_version(&debian.parse().unwrap()).to_string();
            assert!(version.starts_with(&format!("{numbers}~")) && version.ends_with("-r0"), "{debian}: {version}");
        }
    }

    #[test]
    fn different_versions_stay_different() {
        let versions = ["1.0-1", "1:1.0-1", "1.0-1+b1", "1.0-2", "1.0+x-1"].map(|text| apk_version(&text.parse().unwrap()).to_string());
        let distinct: std::collections::BTreeSet<_> = versions.iter().collect();
        assert_eq!(distinct.len(), versions.len());
    }
}
