//! Emoji sequences by their code points: how they are named, which are left out, and which part of the
//! data set each belongs to.

/// A sequence of code points, as Twemoji's file names give it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sequence(Vec<char>);

/// The part of the data set that a base belongs to, with everything that is drawn for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Training pictures of the first domain only.
    TrainA,
    /// Training pictures of the second domain only.
    TrainB,
    /// A pair of test pictures.
    Test,
}

impl Sequence {
    /// Reads `1f44b-1f3fb`: hexadecimal code points joined by `-`. `None` for any other text.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let point = |hex| u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
        name.split('-').map(point).collect::<Option<_>>().map(Self)
    }

    /// The text that a font is asked for.
    pub(super) fn text(&self) -> String {
        self.0.iter().collect()
    }

    /// The sequence without variation selectors: a picture's name, and the other spelling of the text.
    pub(super) fn plain(&self) -> Self {
        Self(self.0.iter().copied().filter(|c| !is_selector(*c)).collect())
    }

    /// The sequence without variation selectors and skin tones. Empty for a skin tone on its own.
    pub(super) fn base(&self) -> Self {
        Self(self.0.iter().copied().filter(|c| !is_selector(*c) && !is_tone(*c)).collect())
    }

    /// Whether it names a skin tone.
    pub(super) fn has_tone(&self) -> bool {
        self.0.iter().copied().any(is_tone)
    }

    /// Whether it is left out: flags and keycaps, which are drawn alike by every design, and skin tones
    /// on their own.
    pub(super) fn is_left_out(&self) -> bool {
        self.0.iter().copied().any(|c| is_flag(c) || c == KEYCAP) || self.base().0.is_empty()
    }

    /// Upper-case hexadecimal, at least four digits a code point, joined by `-`.
    pub(super) fn name(&self) -> String {
        self.0.iter().map(|c| format!("{:04X}", u32::from(*c))).collect::<Vec<_>>().join("-")
    }

    /// The part of its base: FNV-1a (32 bits) of the base's name, modulo 10; 0 to 3 train the first domain,
    /// 4 to 7 the second, 8 and 9 test.
    pub(super) fn part(&self) -> Part {
        match fnv1a(self.base().name().as_bytes()) % 10 {
            0..=3 => Part::TrainA,
            4..=7 => Part::TrainB,
            _ => Part::Test,
        }
    }
}

const KEYCAP: char = '\u{20E3}';

fn is_selector(c: char) -> bool {
    matches!(c, '\u{FE0E}' | '\u{FE0F}')
}

fn is_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

/// Regional indicators, tags, and the two flags that others are made of.
fn is_flag(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}' | '\u{E0020}'..='\u{E007F}' | '\u{1F3F3}' | '\u{1F3F4}')
}

/// FNV-1a, 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::{Part, Sequence, fnv1a};

    fn sequence(name: &str) -> Sequence {
        Sequence::parse(name).unwrap()
    }

    #[test]
    fn hash_gives_the_published_values() {
        assert_eq!(fnv1a(b""), 0x811C_9DC5);
        assert_eq!(fnv1a(b"a"), 0xE40C_292C);
        assert_eq!(fnv1a(b"foobar"), 0xBF9C_F968);
    }

    #[test]
    fn base_has_neither_selector_nor_tone() {
        for (name, base) in [
            ("1f600", "1F600"),
            ("a9", "00A9"),
            ("2764-fe0f", "2764"),
            ("1f44b-1f3fd", "1F44B"),
            ("1f575-1f3fb-200d-2640-fe0f", "1F575-200D-2640"),
            ("1f469-1f3fb-200d-1f91d-200d-1f468-1f3ff", "1F469-200D-1F91D-200D-1F468"),
        ] {
            assert_eq!(sequence(name).base().name(), base);
        }
        assert_eq!(sequence("1f44b-1f3fd").plain().name(), "1F44B-1F3FD");
        assert_eq!(sequence("2764-fe0f").text(), "\u{2764}\u{FE0F}");
    }

    #[test]
    fn names_that_are_no_sequences_are_refused() {
        for name in ["", "license", "1f600-", "1f600-x", "d800", "110000"] {
            assert_eq!(Sequence::parse(name), None, "{name}");
        }
    }

    #[test]
    fn flags_keycaps_and_bare_tones_are_left_out() {
        for name in [
            "1f1e9-1f1ea",
            "1f1e6",
            "1f3f4-e0067-e0062-e0065-e006e-e0067-e007f",
            "1f3f3-fe0f-200d-1f308",
            "1f3f4-200d-2620-fe0f",
            "23-20e3",
            "31-fe0f-20e3",
            "1f3fb",
        ] {
            assert!(sequence(name).is_left_out(), "{name}");
        }
        for name in ["1f600", "1f51f", "1f44b-1f3fb", "1f468-200d-1f33e"] {
            assert!(!sequence(name).is_left_out(), "{name}");
        }
    }

    #[test]
    fn every_spelling_and_tone_falls_into_its_base_s_part() {
        assert_eq!(sequence("1f46a").part(), Part::TrainA);
        assert_eq!(sequence("1f6a9").part(), Part::TrainB);
        assert_eq!(sequence("1f3c1").part(), Part::Test);
        for tone in ["1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"] {
            let toned = sequence(&format!("1f575-{tone}-200d-2640-fe0f"));
            assert!(toned.has_tone());
            assert_eq!(toned.part(), sequence("1f575-200d-2640").part());
        }
        assert!(!sequence("1f575-200d-2640").has_tone());
    }
}
