//! Directories that list in reverse, to show whether a build depends on their order.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;

use super::call::Address;
use super::target::Target;
use crate::notify::read_entries;

/// What is read at once at most. C libraries ask for 2 to 32 KiB, some programs for megabytes; fewer is right for all.
const MOST: u32 = 64 << 10;
/// Where an entry says what the position after it is, and how long it is: both forms of the call begin with a number of
/// 8 bytes, the position of 8, and the length of 2.
const POSITION: std::ops::Range<usize> = 8..16;
const LENGTH: std::ops::Range<usize> = 16..18;

/// A call that reads entries of a directory.
pub(super) struct Listing<'a> {
    target: &'a Target,
    call: i64,
    directory: OwnedFd,
    into: Address,
    size: usize,
}

impl<'a> Listing<'a> {
    pub(super) fn new(target: &'a Target, call: i64, directory: i32, into: Address, size: u32) -> Result<Self, Errno> {
        Ok(Self { target, call, directory: target.share(directory)?, into, size: size.min(MOST) as usize })
    }

    /// Reads for the thread, and gives it what was read from the end.
    pub(super) fn reversed(self) -> Result<i64, Errno> {
        let mut entries = vec![0; self.size];
        let length = read_entries(self.call, self.directory.as_fd(), &mut entries)?;
        let reversed = reverse(&entries[..length])?;
        self.target.write(self.into, &reversed)?;
        i64::try_from(length).map_err(|_| Errno::OVERFLOW)
    }
}

/// Turns the order of entries round. Positions stay where they are: the last one must be where the next read begins.
fn reverse(entries: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut each = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let length = rest.get(LENGTH).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes).ok_or(Errno::IO)?;
        let (entry, after) = rest.split_at_checked(length.into()).filter(|(entry, _)| entry.len() >= LENGTH.end).ok_or(Errno::IO)?;
        each.push(entry);
        rest = after;
    }
    let mut reversed = Vec::with_capacity(entries.len());
    for (entry, there) in each.iter().rev().zip(&each) {
        let start = reversed.len();
        reversed.extend_from_slice(entry);
        reversed[start + POSITION.start..start + POSITION.end].copy_from_slice(&there[POSITION]);
    }
    Ok(reversed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, position: u64, name: &[u8]) -> Vec<u8> {
        let length = u16::try_from(LENGTH.end + name.len()).unwrap();
        [&number.to_ne_bytes()[..], &position.to_ne_bytes(), &length.to_ne_bytes(), name].concat()
    }

    #[test]
    fn entries_change_places_and_positions_stay() {
        let listed = [entry(1, 10, b"a"), entry(2, 20, b"bbbb"), entry(3, 30, b"cc")].concat();
        let expected = [entry(3, 10, b"cc"), entry(2, 20, b"bbbb"), entry(1, 30, b"a")].concat();
        assert_eq!(reverse(&listed).unwrap(), expected);
        assert_eq!(reverse(&[]).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn a_length_that_is_none_is_an_error() {
        let mut listed = entry(1, 10, b"a");
        for length in [0_u16, 17, 1000] {
            listed[LENGTH].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(reverse(&listed), Err(Errno::IO), "{length}");
        }
        assert_eq!(reverse(&listed[..5]), Err(Errno::IO));
    }
}
