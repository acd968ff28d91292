//! Pictures that look alike, among many.

use std::collections::HashMap;

use super::examine::{PictureFacts, THUMBNAIL};

/// Side of the parts that are compared before the small versions themselves.
const PART: usize = 4;
/// Parts of a small version.
const PARTS: usize = (THUMBNAIL / PART) * (THUMBNAIL / PART);

/// Each picture with those that look like it, by their indices: a picture joins the first group
/// whose first picture it differs from by no more than `most` ([`PictureFacts::difference`]).
/// Groups are in the order of their first pictures; those of one picture are left out. `each` is
/// called after every picture.
///
/// The sums over the quarters of two small versions differ by no more than the versions do. So
/// only pictures with similar quarters are compared, and the time grows little faster than the
/// number of pictures.
pub fn look_alikes(pictures: &[&PictureFacts], most: f64, each: impl FnMut()) -> Vec<Vec<usize>> {
    search(pictures, most, each).0
}

/// [`look_alikes`], and how many pairs were compared in full.
fn search(pictures: &[&PictureFacts], most: f64, mut each: impl FnMut()) -> (Vec<Vec<usize>>, usize) {
    let most = (most * (THUMBNAIL * THUMBNAIL) as f64) as u32;
    let mut groups: Vec<Vec<usize>> = vec![];
    let mut sketches: Vec<Sketch> = vec![];
    let mut cells: HashMap<[u32; 4], Vec<usize>> = HashMap::new();
    let mut compared = 0;
    for (i, picture) in pictures.iter().enumerate() {
        let sketch = Sketch::new(picture);
        let cell = sketch.quarters.map(|sum| sum / (most + 1));
        let near = neighbours(cell).filter_map(|cell| cells.get(&cell)).flatten();
        let mut alike = |group: &&usize| {
            if sketch.differs_more(&sketches[**group], most) {
                return false;
            }
            compared += 1;
            picture.total_difference(pictures[groups[**group][0]]) <= most
        };
        // The first group, which need not be in the first cell.
        let mut first: Option<usize> = None;
        for group in near {
            if first.is_none_or(|first| *group < first) && alike(&group) {
                first = Some(*group);
            }
        }
        match first {
            Some(group) => groups[group].push(i),
            None => {
                cells.entry(cell).or_default().push(groups.len());
                groups.push(vec![i]);
                sketches.push(sketch);
            }
        }
        each();
    }
    groups.retain(|group| group.len() > 1);
    (groups, compared)
}

/// A cell and those around it.
fn neighbours(cell: [u32; 4]) -> impl Iterator<Item = [u32; 4]> {
    (0..3_u32.pow(4)).filter_map(move |n| {
        let mut other = cell;
        for (k, other) in other.iter_mut().enumerate() {
            *other = (*other + n / 3_u32.pow(k as u32) % 3).checked_sub(1)?;
        }
        Some(other)
    })
}

/// Sums of brightness over parts of a small version.
struct Sketch {
    parts: [u32; PARTS],
    quarters: [u32; 4],
}

impl Sketch {
    fn new(picture: &PictureFacts) -> Self {
        let (mut parts, mut quarters) = ([0; PARTS], [0; 4]);
        for (i, &v) in picture.thumbnail.iter().enumerate() {
            let (row, column) = (i / THUMBNAIL, i % THUMBNAIL);
            let side = THUMBNAIL / PART;
            parts[row / PART * side + column / PART] += u32::from(v);
            quarters[row / (THUMBNAIL / 2) * 2 + column / (THUMBNAIL / 2)] += u32::from(v);
        }
        Self { parts, quarters }
    }

    /// Whether the small versions differ by more for sure.
    fn differs_more(&self, other: &Self, most: u32) -> bool {
        self.parts.iter().zip(&other.parts).map(|(a, b)| a.abs_diff(*b)).sum::<u32>() > most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn facts(thumbnail: Vec<u8>) -> PictureFacts {
        PictureFacts {
            width: 64,
            height: 64,
            format: "png",
            grey: false,
            transparent: false,
            cmyk: false,
            bits: 8,
            remarks: vec![],
            hash: 0,
            thumbnail,
        }
    }

    /// Soft pictures; every third one is an earlier one, changed by about `NEAR` on average.
    fn pictures(count: usize) -> Vec<PictureFacts> {
        let mut random = Random::seeded(3);
        let mut made: Vec<PictureFacts> = vec![];
        for i in 0..count {
            let thumbnail: Vec<u8> = if i % 3 == 2 {
                let old = made[random.below(i)].thumbnail.clone();
                let most = random.below(9) as i32;
                let change =
                    |v: u8| (i32::from(v) + random.below(2 * most as usize + 1) as i32 - most).clamp(0, 255);
                old.into_iter().map(change).map(|v| v as u8).collect()
            } else {
                let corners: Vec<f64> = (0..4).map(|_| 40.0 + 175.0 * random.uniform()).collect();
                let at = |i: usize| {
                    let (y, x) = ((i / THUMBNAIL) as f64 / 15.0, (i % THUMBNAIL) as f64 / 15.0);
                    let across = |a: f64, b: f64| a * (1.0 - x) + b * x;
                    across(corners[0], corners[1]) * (1.0 - y) + across(corners[2], corners[3]) * y
                };
                (0..THUMBNAIL * THUMBNAIL).map(|i| at(i) as u8).collect()
            };
            made.push(facts(thumbnail));
        }
        made
    }

    /// As the definition reads.
    fn plain(pictures: &[&PictureFacts], most: f64) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = vec![];
        for i in 0..pictures.len() {
            match groups.iter_mut().find(|group| pictures[group[0]].difference(pictures[i]) <= most) {
                Some(group) => group.push(i),
                None => groups.push(vec![i]),
            }
        }
        groups.retain(|group| group.len() > 1);
        groups
    }

    #[test]
    fn the_groups_are_those_of_the_definition() {
        let pictures = pictures(1500);
        let pictures: Vec<&PictureFacts> = pictures.iter().collect();
        for most in [0.0, 1.0, 2.5, 20.0] {
            let mut calls = 0;
            assert_eq!(look_alikes(&pictures, most, || calls += 1), plain(&pictures, most), "{most}");
            assert_eq!(calls, pictures.len());
        }
        assert!(plain(&pictures, 2.5).len() > 100);
    }

    #[test]
    fn few_pairs_of_many_pictures_are_compared() {
        let pictures = pictures(20_000);
        let pictures: Vec<&PictureFacts> = pictures.iter().collect();
        let (_, compared) = search(&pictures, 2.5, || ());
        // Of 2e8 pairs.
        assert!(compared < 20 * pictures.len(), "{compared}");
    }
}
