//! Finds code of objects in programs.

use std::collections::{BTreeSet, HashMap};

use object::{File, Object as _, ObjectSection as _, ObjectSegment as _, SectionKind, SegmentFlags, elf};

use super::object::{ANCHOR, Code, is_varied};

/// Every object's code, by the bytes that are sought first.
#[derive(Debug)]
pub(super) struct Finder {
    codes: Vec<Sought>,
    /// Anchor to places in `codes`.
    anchors: HashMap<[u8; ANCHOR], Vec<usize>>,
    /// Which pairs of bytes an anchor begins with: most places of a program are passed by this alone.
    begins: Vec<bool>,
}

#[derive(Debug)]
struct Sought {
    member: usize,
    object: String,
    runs: Vec<(usize, Vec<u8>)>,
    /// Where the anchor lies in the section.
    anchor: usize,
}

impl Finder {
    pub(super) fn new(all: Vec<(usize, Code)>) -> Self {
        let mut finder = Self { codes: Vec::new(), anchors: HashMap::new(), begins: vec![false; 1 << 16] };
        for (member, code) in all {
            let runs = code.runs();
            let Some((anchor, bytes)) = anchor(&runs) else { continue };
            finder.begins[usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))] = true;
            finder.anchors.entry(bytes).or_default().push(finder.codes.len());
            finder.codes.push(Sought { member, object: code.object, runs, anchor });
        }
        finder
    }

    /// Returns the objects that are in a program: the member of the root, and the object's name.
    pub(super) fn find(&self, program: &[u8]) -> BTreeSet<(usize, String)> {
        let mut found = BTreeSet::new();
        for code in executable(program) {
            for at in 0..code.len().saturating_sub(ANCHOR - 1) {
                if !self.begins[usize::from(u16::from_le_bytes([code[at], code[at + 1]]))] {
                    continue;
                }
                let Some(candidates) = code[at..at + ANCHOR].first_chunk::<ANCHOR>().and_then(|window| self.anchors.get(window)) else {
                    continue;
                };
                for sought in candidates.iter().map(|place| &self.codes[*place]) {
                    if let Some(start) = at.checked_sub(sought.anchor)
                        && sought.runs.iter().all(|(offset, run)| code.get(start + offset..start + offset + run.len()) == Some(run))
                    {
                        found.insert((sought.member, sought.object.clone()));
                    }
                }
            }
        }
        found
    }
}

/// The first varied bytes of the longest run.
fn anchor(runs: &[(usize, Vec<u8>)]) -> Option<(usize, [u8; ANCHOR])> {
    let (offset, run) = runs.iter().filter(|(_, run)| run.len() >= ANCHOR && is_varied(run)).max_by_key(|(_, run)| run.len())?;
    let within = run.windows(ANCHOR).position(is_varied)?;
    Some((offset + within, *run[within..].first_chunk()?))
}

/// The code of a program: its executable sections, or where it has no table of sections its executable segments.
fn executable(program: &[u8]) -> Vec<&[u8]> {
    let Ok(file) = File::parse(program) else { return Vec::new() };
    let sections = file.sections().filter(|section| section.kind() == SectionKind::Text);
    let sections: Vec<&[u8]> = sections.filter_map(|section| section.data().ok()).collect();
    if !sections.is_empty() {
        return sections;
    }
    let segments =
        file.segments().filter(|segment| matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.0 & elf::PF_X.0 != 0));
    segments.filter_map(|segment| segment.data().ok()).collect()
}
