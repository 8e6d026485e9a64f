//! Names of the machine as compilers write them: `host.triplet.*`, `cross.triplet.*`.

use base::Arch;

/// The C library of a distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Libc {
    /// musl: what undistro's own distribution is built on.
    #[default]
    Musl,
    /// glibc: Wolfi's.
    Gnu,
}

impl Libc {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Musl => "musl",
            Self::Gnu => "gnu",
        }
    }
}

/// Returns the name as GNU tools write it.
pub(super) fn gnu(arch: Arch, libc: Libc) -> String {
    let libc = libc.suffix();
    match arch {
        Arch::X86 => format!("i486-pc-linux-{libc}"),
        Arch::X86_64 => format!("x86_64-pc-linux-{libc}"),
        Arch::Armhf => format!("arm-unknown-linux-{libc}eabihf"),
        Arch::Armv7 => format!("armv7l-unknown-linux-{libc}eabihf"),
        Arch::Ppc64le => format!("powerpc64le-unknown-linux-{libc}"),
        Arch::S390x => format!("s390x-ibm-linux-{libc}"),
        Arch::Aarch64 | Arch::Loongarch64 | Arch::Riscv64 => format!("{}-unknown-linux-{libc}", arch.apk()),
    }
}

/// Returns the name as Rust writes it.
pub(super) fn rust(arch: Arch, libc: Libc) -> String {
    let libc = libc.suffix();
    match arch {
        Arch::X86 => format!("i686-unknown-linux-{libc}"),
        Arch::Armhf => format!("armv6-unknown-linux-{libc}eabihf"),
        Arch::Armv7 => format!("armv7-unknown-linux-{libc}eabihf"),
        Arch::Ppc64le => format!("powerpc64le-unknown-linux-{libc}"),
        _ => format!("{}-unknown-linux-{libc}", arch.apk()),
    }
}

/// Returns the name as Go writes it.
pub(super) const fn go(arch: Arch) -> &'static str {
    arch.oci().0
}
