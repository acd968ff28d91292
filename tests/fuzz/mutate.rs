//! Changes bytes as files get changed, and as somebody would who means harm.

use ugatit::random::Random;

/// Numbers that are wrong more often than others.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];
/// The most that a change may make of a file.
const LONGEST: usize = 1 << 20;

/// A stream of changed inputs, the same for the same name.
pub struct Mutator(Random);

impl Mutator {
    /// Begins the stream of `name`.
    pub fn new(name: &str) -> Self {
        Self(Random::named(name))
    }

    fn bits(&mut self) -> u64 {
        self.0.bits()
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound.max(1) as u64) as usize
    }

    /// A place in `length` bytes: half of the time near the beginning, where headers are.
    fn place(&mut self, length: usize) -> usize {
        let near = if self.bits() & 1 == 0 { length } else { length.min(256) };
        self.below(near)
    }

    /// One of `seeds` with one to five changes.
    pub fn next(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..1 + self.below(5) {
            self.change(&mut bytes, seeds);
            bytes.truncate(LONGEST);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        if bytes.is_empty() {
            return bytes.push(self.bits() as u8);
        }
        let at = self.place(bytes.len());
        let count = 1 + self.below(16).min(bytes.len() - at - 1);
        match self.below(10) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.bits() as u8,
            // A number of one to eight bytes, the least significant byte first or last.
            2 | 3 => {
                let number = NUMBERS[self.below(NUMBERS.len())].to_le_bytes();
                let width = 1 << self.below(4);
                let last_first = self.bits() & 1 == 0;
                for i in 0..width.min(bytes.len() - at) {
                    bytes[at + i] = number[if last_first { i } else { width - 1 - i }];
                }
            }
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..at + count)),
            6 => {
                let again = bytes[at..at + count].to_vec();
                for _ in 0..1 + self.below(64) {
                    bytes.splice(at..at, again.iter().copied());
                }
            }
            // The end of another file.
            7 => {
                let other = &seeds[self.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend(&other[self.below(other.len())..]);
            }
            // A digit, as headers of text have them.
            8 => match bytes.iter().skip(at).position(u8::is_ascii_digit) {
                Some(ahead) => bytes[at + ahead] = b'0' + self.below(10) as u8,
                None => bytes.extend((0..count).map(|_| self.bits() as u8)),
            },
            _ => {
                let length = bytes.len();
                bytes.swap(at, self.below(length));
            }
        }
    }
}
