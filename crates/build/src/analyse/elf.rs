//! Reads from an ELF file what the dynamic linker would: its interpreter, its name and the libraries it needs.

use std::io::{self, Read, Seek};

use base::Arch;
use object::Endianness;
use object::elf;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::read::{ReadCache, ReadRef as _, StringTable};

/// What an ELF file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elf {
    /// The program that loads it (`PT_INTERP`), as a path.
    pub interpreter: Option<String>,
    /// The name it is asked for by (`DT_SONAME`).
    pub soname: Option<String>,
    /// The libraries it needs (`DT_NEEDED`), in its own order.
    pub needed: Vec<String>,
    /// Whether it is linked dynamically: it has a dynamic section.
    pub dynamic: bool,
    /// Whether it could be loaded as a library (`ET_DYN`).
    pub shared: bool,
    /// Whether it holds debug information (`.debug_info`, `.zdebug_info`).
    pub debug: bool,
}

/// More dynamic entries than any program has; each is looked up in the string table.
const MAX_NEEDED: usize = 4096;

/// Reads the ELF file for `arch`; `None` where it is not ELF, is for another machine, or is broken.
///
/// Broken ELF is no error: test suites and firmware ship such files on purpose, and no loader takes them.
pub(super) fn read(file: impl Read + Seek, arch: Arch) -> io::Result<Option<Elf>> {
    let cache = ReadCache::new(file);
    let Ok(ident) = (&cache).read_bytes_at(0, IDENT) else { return Ok(None) };
    let (machine, width) = machine(arch);
    let facts = match (ident, width) {
        ([0x7f, b'E', b'L', b'F', 1], Width::Bits32) => facts::<elf::FileHeader32<Endianness>, _>(&cache, machine),
        ([0x7f, b'E', b'L', b'F', 2], Width::Bits64) => facts::<elf::FileHeader64<Endianness>, _>(&cache, machine),
        _ => return Ok(None),
    };
    Ok(facts.unwrap_or(None))
}

/// Magic and class.
const IDENT: u64 = 5;

/// The class of an ELF file.
enum Width {
    Bits32,
    Bits64,
}

fn machine(arch: Arch) -> (elf::Machine, Width) {
    match arch {
        Arch::X86 => (elf::EM_386, Width::Bits32),
        Arch::X86_64 => (elf::EM_X86_64, Width::Bits64),
        Arch::Aarch64 => (elf::EM_AARCH64, Width::Bits64),
        Arch::Armhf | Arch::Armv7 => (elf::EM_ARM, Width::Bits32),
        Arch::Loongarch64 => (elf::EM_LOONGARCH, Width::Bits64),
        Arch::Ppc64le => (elf::EM_PPC64, Width::Bits64),
        Arch::Riscv64 => (elf::EM_RISCV, Width::Bits64),
        Arch::S390x => (elf::EM_S390, Width::Bits64),
    }
}

fn facts<Header, R>(data: &ReadCache<R>, machine: elf::Machine) -> object::read::Result<Option<Elf>>
where
    Header: FileHeader<Endian = Endianness>,
    R: Read + Seek,
{
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    if header.e_machine(endian) != machine {
        return Ok(None);
    }
    let segments = header.program_headers(endian, data)?;
    let is_linked = matches!(header.e_type(endian), elf::ET_DYN | elf::ET_EXEC);
    let mut facts = Elf { shared: header.e_type(endian) == elf::ET_DYN, ..Elf::default() };
    // Sections may be stripped or broken; the loader does not look at them, so they tell only this.
    facts.debug = is_linked
        && header.sections(endian, data).is_ok_and(|sections| {
            [b".debug_info".as_slice(), b".zdebug_info"].iter().any(|name| sections.section_by_name(endian, name).is_some())
        });
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            facts.interpreter = Some(String::from_utf8_lossy(interpreter).into_owned());
        }
    }
    // From the segments, not the sections: those may be stripped, and the loader does not look at them.
    for segment in segments {
        let Some(dynamic) = segment.dynamic(endian, data)? else { continue };
        facts.dynamic = true;
        let value = |tag| dynamic.iter().find(|d| d.tag(endian) == tag).map(|d| d.val(endian));
        let (Some(address), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else { continue };
        let Some(start) = segments.iter().find_map(|load| file_offset::<Header>(load, endian, address)) else { continue };
        let strings = StringTable::new(data, start, start.saturating_add(size));
        for entry in dynamic.iter().take_while(|d| d.tag(endian) != elf::DT_NULL).take(MAX_NEEDED) {
            let tag = entry.tag(endian);
            if tag == elf::DT_NEEDED {
                facts.needed.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            } else if tag == elf::DT_SONAME {
                facts.soname = Some(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            }
        }
    }
    Ok(Some(facts))
}

/// Where in the file the byte lies that is loaded at `address`.
fn file_offset<Header: FileHeader<Endian = Endianness>>(load: &Header::ProgramHeader, endian: Endianness, address: u64) -> Option<u64> {
    let (start, size): (u64, u64) = (load.p_vaddr(endian).into(), load.p_filesz(endian).into());
    let within = address.checked_sub(start).filter(|within| *within < size)?;
    (load.p_type(endian) == elf::PT_LOAD).then(|| within.checked_add(load.p_offset(endian).into()))?
}
