//! The code of an object, and which of its bytes a linker leaves alone.

use base::tree::TreePath;
use object::read::archive::ArchiveFile;
use object::{Architecture, File, Object as _, ObjectSection as _, RelocationFlags, SectionKind, elf};
use serde::{Deserialize, Serialize};

use super::MIN_BYTES;

/// How many bytes in a row are sought first.
pub(super) const ANCHOR: usize = 16;

/// An executable section of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    /// The object, with its library.
    pub(super) object: String,
    /// Runs of fixed bytes: where in the section, and what, in hex. The first that is long enough is the anchor.
    runs: Vec<(usize, String)>,
}

impl Code {
    /// Returns the runs as bytes.
    pub(super) fn runs(&self) -> Vec<(usize, Vec<u8>)> {
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or_default();
        self.runs.iter().map(|(at, hex)| (*at, hex.as_bytes().chunks(2).map(byte).collect())).collect()
    }
}

/// Reads the code of an object file, or of each member of a static library. What is neither has none.
pub(super) fn codes(path: &TreePath, bytes: &[u8]) -> Vec<Code> {
    let Ok(archive) = ArchiveFile::parse(bytes) else { return of_object(path.as_str(), bytes) };
    let members = archive.members().filter_map(Result::ok);
    let code = |member: object::read::archive::ArchiveMember<'_>| {
        let name = format!("{path}({})", String::from_utf8_lossy(member.name()));
        member.data(bytes).map(|data| of_object(&name, data)).unwrap_or_default()
    };
    members.flat_map(code).collect()
}

fn of_object(name: &str, bytes: &[u8]) -> Vec<Code> {
    let Ok(file) = File::parse(bytes) else { return Vec::new() };
    let code = |section: object::Section<'_, '_>| {
        let data = section.data().ok()?;
        let mut fixed = vec![true; data.len()];
        for (at, relocation) in section.relocations() {
            let (before, after) = reach(file.architecture(), relocation.flags());
            let at = usize::try_from(at).ok()?;
            let (from, to) = (at.saturating_sub(before), at.saturating_add(after).min(data.len()));
            fixed.get_mut(from..to)?.fill(false);
        }
        let runs = runs(data, &fixed);
        let total: usize = runs.iter().map(|(_, run)| run.len()).sum();
        let is_telling = total >= MIN_BYTES && runs.iter().any(|(_, run)| run.len() >= ANCHOR && is_varied(run));
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let runs = runs.iter().map(|(at, run)| (*at, hex(run))).collect();
        is_telling.then(|| Code { object: name.to_owned(), runs })
    };
    file.sections().filter(|section| section.kind() == SectionKind::Text).filter_map(code).collect()
}

/// Which bytes around a relocation a linker may change: the field, and where it relaxes, the instruction (psABI, "Linker
/// Optimization").
fn reach(architecture: Architecture, flags: RelocationFlags) -> (usize, usize) {
    let RelocationFlags::Elf { r_type } = flags else { return (16, 16) };
    match (architecture, r_type) {
        (Architecture::X86_64, elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX | elf::R_X86_64_GOTPCREL) => (3, 5),
        (
            Architecture::X86_64,
            elf::R_X86_64_TLSGD | elf::R_X86_64_TLSLD | elf::R_X86_64_GOTTPOFF | elf::R_X86_64_GOTPC32_TLSDESC | elf::R_X86_64_TLSDESC_CALL,
        ) => (4, 12),
        (Architecture::X86_64, elf::R_X86_64_64 | elf::R_X86_64_PC64 | elf::R_X86_64_GOTOFF64) => (0, 8),
        // An instruction of AArch64 has four bytes, and each that is relaxed has a relocation of its own.
        (Architecture::X86_64 | Architecture::Aarch64, _) => (0, 4),
        _ => (8, 8),
    }
}

fn runs<'a>(data: &'a [u8], fixed: &[bool]) -> Vec<(usize, &'a [u8])> {
    let mut runs = Vec::new();
    let mut start = 0;
    while start < data.len() {
        let length = fixed[start..].iter().take_while(|fixed| **fixed).count();
        if length > 0 {
            runs.push((start, &data[start..start + length]));
        }
        start += length.max(1);
    }
    runs
}

/// Whether bytes are more than padding: of one value repeated nothing is learned.
pub(super) fn is_varied(bytes: &[u8]) -> bool {
    bytes.windows(ANCHOR).any(|window| window.iter().collect::<std::collections::BTreeSet<_>>().len() >= ANCHOR / 2)
}
