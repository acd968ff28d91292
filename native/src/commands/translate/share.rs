//! Which part of the work is done here, where several machines or processes share it.

use std::cmp::Reverse;
use std::str::FromStr;

/// One of several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Shard {
    /// From 0.
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((number, count)) if (1..=count).contains(&number) => Ok(Self { index: number - 1, count }),
            _ => Err("use I/N with I from 1 to N, such as 2/8 for the second of eight parts".into()),
        }
    }
}

impl Shard {
    /// The part of this part that belongs to one of several ranks.
    pub(in crate::commands) fn part(self, rank: usize, ranks: usize) -> Self {
        Self { index: self.index * ranks + rank, count: self.count * ranks }
    }

    /// Whether it is the one that tells what no part has done.
    pub(in crate::commands) fn is_first(self) -> bool {
        self.index == 0
    }

    /// What of `all` belongs to this part, in the same order. Each part gets about the same sum of sizes, and each
    /// thing is in exactly one part; this depends on the sizes and their order only.
    pub(in crate::commands) fn of<T>(self, all: Vec<T>, size: impl Fn(&T) -> u64) -> Vec<T> {
        if self.count == 1 {
            return all;
        }
        let sizes: Vec<u64> = all.iter().map(size).collect();
        let owners = owners(&sizes, self.count);
        all.into_iter().zip(owners).filter(|(_, owner)| *owner == self.index).map(|(one, _)| one).collect()
    }
}

/// To which of `count` parts each thing belongs: the largest first, each to the part that has least so far.
pub(in crate::commands) fn owners(sizes: &[u64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&i| (Reverse(sizes[i]), i));
    let mut loads = vec![0_u64; count];
    let mut owners = vec![0; sizes.len()];
    for i in order {
        let least = (0..count).min_by_key(|&part| (loads[part], part)).unwrap_or_default();
        owners[i] = least;
        // An empty file is work too.
        loads[least] = loads[least].saturating_add(sizes[i].max(1));
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_from_one() {
        assert_eq!("2/8".parse(), Ok(Shard { index: 1, count: 8 }));
        for text in ["0/2", "3/2", "2", "/2", "1/0", "a/b", "-1/2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn everything_is_in_one_part_and_parts_are_alike() {
        let sizes: Vec<u64> = (0..100).map(|i: u64| i * i % 977 * 1000).collect();
        for count in [1, 2, 3, 7] {
            let part = |index| Shard { index, count }.of((0..100).collect(), |&i: &usize| sizes[i]);
            let parts: Vec<Vec<usize>> = (0..count).map(part).collect();
            assert!(parts.iter().all(|part| part.is_sorted()));
            let mut all: Vec<usize> = parts.concat();
            all.sort_unstable();
            assert_eq!(all, (0..100).collect::<Vec<_>>());
            let loads = parts.iter().map(|part| part.iter().map(|&i| sizes[i]).sum::<u64>());
            let (least, most) = (loads.clone().min().unwrap(), loads.max().unwrap());
            assert!(most - least <= 977 * 1000, "{count}: {least} to {most}");
        }
        assert_eq!(owners(&[5, 5, 5, 5], 2), [0, 1, 0, 1]);
        assert_eq!(owners(&[], 3), [0; 0]);
        // The parts of the parts are all parts.
        let halves = ["1/2", "2/2"].map(|half| half.parse::<Shard>().unwrap());
        let parts = halves.iter().flat_map(|half| [0, 1, 2].map(|rank| half.part(rank, 3)));
        assert!(parts.eq((0..6).map(|index| Shard { index, count: 6 })));
        // More parts than things: some have nothing to do.
        assert_eq!(Shard { index: 2, count: 3 }.of(vec![1, 2], |_| 1), [0; 0]);
    }
}
