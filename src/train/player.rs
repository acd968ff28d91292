//! Who is trained in turn.

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Player {
    /// `disGA`, `disGB`, `disLA`, `disLB`; the first in each iteration.
    Discriminators,
    /// `genA2B`, `genB2A`.
    Generators,
}

impl Player {
    /// Both, in the order of an iteration.
    pub const BOTH: [Self; 2] = [Self::Discriminators, Self::Generators];

    /// Its networks.
    pub fn networks(self) -> &'static [&'static str] {
        match self {
            Self::Discriminators => &["disGA", "disGB", "disLA", "disLB"],
            Self::Generators => &["genA2B", "genB2A"],
        }
    }

    /// The name of its loss: `D` or `G`, as the names of its terms begin.
    pub fn letter(self) -> char {
        match self {
            Self::Discriminators => 'D',
            Self::Generators => 'G',
        }
    }

    /// Whether the tensor `name` is trained by this player's optimiser: every parameter of its
    /// networks, but not the vectors of the spectral normalisation.
    pub fn trains(self, name: &str) -> bool {
        let own = name.split_once('.').is_some_and(|(network, _)| self.networks().contains(&network));
        own && !name.ends_with(".weight_u") && !name.ends_with(".weight_v")
    }
}
