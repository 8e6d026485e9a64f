//! Mutations that find what parsers get wrong: bits, lengths, repeats, cuts, and numbers at their ends.

/// A stream of numbers that seed and turn decide (SplitMix64).
pub(crate) struct Source(u64);

/// Texts that mean something to one reader or another.
const WORDS: [&[u8]; 18] = [
    b"\0",
    b"\n",
    b"\n\n",
    b"=",
    b":",
    b"../",
    b"/",
    b" ",
    b"-1",
    b"77777777777",
    b"99999999999999999999",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0\0\0\0\xff",
    b".SIGN.",
    b"F:",
    b"Q1",
    b"x",
    b"\xc3",
];

impl Source {
    pub(crate) fn new(seed: u64, turn: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ turn.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() % limit as u64) as usize }
    }

    /// Returns one of the samples with a few mutations; one time in a hundred, noise.
    pub(crate) fn mutated(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        if self.below(100) == 0 {
            return (0..self.below(2000)).map(|_| self.next() as u8).collect();
        }
        let mut bytes = samples[self.below(samples.len())].clone();
        for _ in 0..=self.below(6) {
            self.mutate(&mut bytes);
        }
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        let length = 1 + self.below(64);
        let end = (at + length).min(bytes.len());
        match self.below(8) {
            0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            2 if !bytes.is_empty() => bytes[at] = self.next() as u8,
            3 => {
                let word = WORDS[self.below(WORDS.len())];
                let end = (at + word.len()).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
            4 => drop(bytes.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
            5 => drop(bytes.drain(at..end)),
            6 => {
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, piece.repeat(1 + self.below(4)));
            }
            _ => bytes.truncate(self.below(bytes.len() * 8)),
        }
    }
}
