//! How an input becomes another one. Deterministic: the same seed gives the same inputs on every machine.

/// No input grows beyond this many bytes.
pub const BYTES_MAX: usize = 64 * 1024;

/// Values at the borders of what lengths and counts can be.
const BORDERS: &[u64] =
    &[0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// A source of chance that is its seed and nothing else (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Returns the source that begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.bits() % bound as u64) as usize }
    }
}

/// Changes `input` in one to eight places. `words` are pieces that mean something to the target; `other` is another input to
/// borrow from.
pub fn mutate(input: &mut Vec<u8>, chance: &mut Chance, words: &[Vec<u8>], other: &[u8]) {
    for _ in 0..1 + chance.below(8) {
        change(input, chance, words, other);
    }
    input.truncate(BYTES_MAX);
}

fn change(input: &mut Vec<u8>, chance: &mut Chance, words: &[Vec<u8>], other: &[u8]) {
    let at = chance.below(input.len() + 1);
    match chance.below(12) {
        0 if at < input.len() => input[at] ^= 1 << chance.below(8),
        1 if at < input.len() => input[at] = chance.bits() as u8,
        2 => input.insert(at, chance.bits() as u8),
        3 if at < input.len() => {
            input.remove(at);
        }
        4 => {
            let end = at + chance.below((input.len() - at).min(64) + 1);
            input.drain(at..end);
        }
        5 => {
            // The same piece many times: depth, length, repetition.
            let end = at + chance.below((input.len() - at).min(32) + 1);
            let piece = input[at..end].repeat(1 + chance.below(64));
            input.splice(at..at, piece);
        }
        6 | 7 if !words.is_empty() => {
            let word = &words[chance.below(words.len())];
            let end = if chance.below(2) == 0 { at } else { (at + word.len()).min(input.len()) };
            input.splice(at..end, word.iter().copied());
        }
        8 => {
            let value = BORDERS[chance.below(BORDERS.len())].to_le_bytes();
            let width = 1 << chance.below(4);
            let end = (at + width).min(input.len());
            input.splice(at..end, value[..width].iter().copied());
        }
        9 if !other.is_empty() => {
            let from = chance.below(other.len());
            let to = from + chance.below((other.len() - from).min(256) + 1);
            input.splice(at..at, other[from..to].iter().copied());
        }
        10 => {
            let digits = BORDERS[chance.below(BORDERS.len())].to_string();
            input.splice(at..at, digits.bytes());
        }
        _ => input.truncate(at),
    }
    input.truncate(BYTES_MAX);
}
