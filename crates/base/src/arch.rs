//! Machine architectures, under the names that apk and OCI use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A machine architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Arch {
    /// 32-bit x86: apk `x86`, OCI `386`.
    X86,
    /// 64-bit x86: apk `x86_64`, OCI `amd64`.
    X86_64,
    /// 64-bit Arm: apk `aarch64`, OCI `arm64`.
    Aarch64,
    /// 32-bit Arm with hard float: apk `armhf`, OCI `arm/v6`.
    Armhf,
    /// Armv7: apk `armv7`, OCI `arm/v7`.
    Armv7,
    /// LoongArch: apk `loongarch64`, OCI `loong64`.
    Loongarch64,
    /// Little-endian POWER: the same name everywhere.
    Ppc64le,
    /// 64-bit RISC-V: the same name everywhere.
    Riscv64,
    /// IBM Z: the same name everywhere.
    S390x,
}

/// The text names no architecture that we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture `{0}`; known are {names}", names = Arch::ALL.map(Arch::apk).join(", "))]
pub struct UnknownArch(pub String);

impl Arch {
    /// Every architecture, in order of name.
    pub const ALL: [Self; 9] =
        [Self::X86, Self::X86_64, Self::Aarch64, Self::Armhf, Self::Armv7, Self::Loongarch64, Self::Ppc64le, Self::Riscv64, Self::S390x];

    /// Returns the architecture that this binary was compiled for, if it is one of ours.
    #[must_use]
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "powerpc64" if cfg!(target_endian = "little") => Some(Self::Ppc64le),
            "arm" => Some(Self::Armv7),
            name => name.parse().ok(),
        }
    }

    /// Returns the name in apk packages and indexes.
    #[must_use]
    pub const fn apk(self) -> &'static str {
        match self {
            Self::X86 => "x86",
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Armhf => "armhf",
            Self::Armv7 => "armv7",
            Self::Loongarch64 => "loongarch64",
            Self::Ppc64le => "ppc64le",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
        }
    }

    /// Returns architecture and variant as OCI names them (image-spec, image-index.md, after Go's `GOARCH`).
    #[must_use]
    pub const fn oci(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::X86 => ("386", None),
            Self::X86_64 => ("amd64", None),
            Self::Aarch64 => ("arm64", None),
            Self::Armhf => ("arm", Some("v6")),
            Self::Armv7 => ("arm", Some("v7")),
            Self::Loongarch64 => ("loong64", None),
            Self::Ppc64le => ("ppc64le", None),
            Self::Riscv64 => ("riscv64", None),
            Self::S390x => ("s390x", None),
        }
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    /// Accepts both the apk and the OCI names, as apko does.
    fn from_str(text: &str) -> Result<Self, UnknownArch> {
        Self::ALL
            .into_iter()
            .find(|arch| {
                arch.apk() == text
                    || match arch.oci() {
                        (name, None) => name == text,
                        (name, Some(variant)) => text.split_once('/') == Some((name, variant)),
                    }
            })
            .ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

impl TryFrom<String> for Arch {
    type Error = UnknownArch;

    fn try_from(text: String) -> Result<Self, UnknownArch> {
        text.parse()
    }
}

impl From<Arch> for String {
    fn from(arch: Arch) -> Self {
        arch.apk().to_owned()
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.apk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_both_names_of_each() {
        for arch in Arch::ALL {
            assert_eq!(arch.apk().parse(), Ok(arch));
            let (name, variant) = arch.oci();
            let oci = variant.map_or(name.to_owned(), |v| format!("{name}/{v}"));
            assert_eq!(oci.parse(), Ok(arch));
        }
    }

    #[test]
    fn refuses_other_names() {
        assert!("sparc".parse::<Arch>().is_err());
    }
}
