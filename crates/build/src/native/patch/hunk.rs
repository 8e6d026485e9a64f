//! Finds where a hunk belongs and applies it.

/// One line of a hunk, with its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// In both files.
    Context(Vec<u8>),
    /// In the old file only.
    Remove(Vec<u8>),
    /// In the new file only.
    Add(Vec<u8>),
}

/// A run of changed lines with what stands around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// The line of the old file at which it begins, from 1; 0 where there is no old file.
    pub(super) old_start: usize,
    /// Its lines.
    pub(super) lines: Vec<Line>,
}

impl Hunk {
    pub(super) fn old_count(&self) -> usize {
        self.lines.iter().filter(|line| !matches!(line, Line::Add(_))).count()
    }

    /// The last line has no line end (`\ No newline at end of file`).
    pub(super) fn cut_last_newline(&mut self) {
        if let Some(Line::Context(text) | Line::Remove(text) | Line::Add(text)) = self.lines.last_mut()
            && text.last() == Some(&b'\n')
        {
            text.pop();
        }
    }

    /// The hunk that takes back what this one does.
    pub(super) fn reversed(&self) -> Self {
        let turn = |line: &Line| match line {
            Line::Context(text) => Line::Context(text.clone()),
            Line::Remove(text) => Line::Add(text.clone()),
            Line::Add(text) => Line::Remove(text.clone()),
        };
        Self { old_start: self.old_start, lines: self.lines.iter().map(turn).collect() }
    }

    fn old(&self) -> Vec<&[u8]> {
        let old = |line: &'_ Line| !matches!(line, Line::Add(_));
        self.lines.iter().filter(|line| old(line)).map(Line::text).collect()
    }

    /// How many lines of context stand before and after the changes.
    fn context(&self) -> (usize, usize) {
        let is_context = |line: &&Line| matches!(line, Line::Context(_));
        (self.lines.iter().take_while(is_context).count(), self.lines.iter().rev().take_while(is_context).count())
    }
}

impl Line {
    fn text(&self) -> &[u8] {
        match self {
            Self::Context(text) | Self::Remove(text) | Self::Add(text) => text,
        }
    }
}

/// Where a hunk was found: the index of its first old line, and how many lines of context were left out at each end.
struct Found {
    at: usize,
    cut: (usize, usize),
    fuzz: usize,
}

/// Applies `hunks` in order. On failure: which hunk (from 1) and the line at which it should have been.
pub(super) fn apply(text: &[u8], hunks: &[Hunk], fuzz: usize) -> Result<(Vec<u8>, Vec<String>), (usize, usize)> {
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let (mut out, mut notes) = (Vec::with_capacity(text.len()), Vec::new());
    let (mut done, mut offset) = (0_usize, 0_isize);
    for (number, hunk) in (1..).zip(hunks) {
        let stated = hunk.old_start.saturating_sub(usize::from(hunk.old_count() > 0));
        let guess = stated.saturating_add_signed(offset);
        let found = (0..=fuzz).find_map(|fuzz| locate(hunk, &lines, done, guess, fuzz)).ok_or((number, hunk.old_start))?;
        let moved = found.at as isize - stated as isize;
        if moved != 0 || found.fuzz > 0 {
            notes.push(format!("hunk {number} at line {} (moved by {moved}, fuzz {})", found.at + 1, found.fuzz));
        }
        offset = moved;
        done = copy(hunk, &found, &lines, done, &mut out);
    }
    lines[done.min(lines.len())..].iter().for_each(|line| out.extend_from_slice(line));
    Ok((out, notes))
}

/// Writes what lies before the hunk and the hunk itself; returns the line after it.
fn copy(hunk: &Hunk, found: &Found, lines: &[&[u8]], done: usize, out: &mut Vec<u8>) -> usize {
    let mut at = found.at;
    lines[done..at].iter().for_each(|line| out.extend_from_slice(line));
    let last = hunk.lines.len() - found.cut.1;
    for (index, line) in hunk.lines.iter().enumerate() {
        let is_cut = index < found.cut.0 || index >= last;
        match line {
            // Context is taken from the file: where fuzz passed over a difference, the file's own line stays.
            Line::Context(text) => {
                out.extend_from_slice(if is_cut { lines.get(at).copied().unwrap_or_default() } else { text });
                at += 1;
            }
            Line::Remove(_) => at += 1,
            Line::Add(text) => out.extend_from_slice(text),
        }
    }
    at.min(lines.len())
}

/// GNU patch's search: the stated line first, then ever farther on both sides. A hunk with less context at one end than
/// at the other lay at that end of the file, and belongs there until fuzz has used up the difference.
fn locate(hunk: &Hunk, lines: &[&[u8]], done: usize, guess: usize, fuzz: usize) -> Option<Found> {
    let old = hunk.old();
    let (before, after) = hunk.context();
    let most = before.max(after);
    if fuzz > most {
        return None;
    }
    let cut = |context: usize| (fuzz + context).checked_sub(most);
    let (prefix, suffix) = (cut(before), cut(after));
    let cuts = (prefix.unwrap_or(0).min(before), suffix.unwrap_or(0).min(after));
    let matches = |at: usize| {
        let wanted = &old[cuts.0..old.len() - cuts.1];
        at >= done && lines.get(at + cuts.0..at + old.len() - cuts.1).is_some_and(|there| there == wanted)
    };
    let found = |at| Found { at, cut: cuts, fuzz };
    if old.is_empty() {
        return (guess >= done && guess <= lines.len()).then(|| found(guess));
    }
    let end = lines.len().checked_sub(old.len());
    match (prefix, suffix) {
        (None, None) => return (old.len() == lines.len() && matches(0)).then(|| found(0)),
        (None, Some(_)) => return matches(0).then(|| found(0)),
        (Some(_), None) => return end.filter(|end| matches(*end)).map(found),
        _ => {}
    }
    let farthest = lines.len().max(guess);
    (0..=farthest)
        .find_map(|distance| {
            let down = guess.checked_add(distance).filter(|at| matches(*at));
            down.or_else(|| guess.checked_sub(distance).filter(|at| matches(*at)))
        })
        .map(found)
}
