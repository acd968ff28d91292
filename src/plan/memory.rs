//! Which tensors may share a buffer.

use std::ops::RangeInclusive;

/// A tensor that needs memory during `live`, counted in steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Bytes needed.
    pub bytes: u64,
    /// From the step that writes it to the last that reads it.
    pub live: RangeInclusive<usize>,
}

/// Buffers, and which of them each tensor got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The size of each buffer in bytes.
    pub buffers: Vec<u64>,
    /// For each demand, its buffer.
    pub of: Vec<usize>,
}

/// Gives each demand a whole buffer (WebGPU can't bind parts of one buffer both for reading
/// and for writing), so that no two that live at the same time share one. Greedy in order of
/// birth: the smallest free buffer that is large enough, else the largest free one, grown.
///
/// `demands` must be in order of birth.
pub fn assign(demands: &[Demand]) -> Assignment {
    let mut result = Assignment::default();
    let mut busy_until: Vec<Option<usize>> = vec![];
    for demand in demands {
        let free = |i: &usize| busy_until[*i].is_none_or(|end| end < *demand.live.start());
        let candidates = || (0..result.buffers.len()).filter(free);
        let fitting =
            candidates().filter(|&i| result.buffers[i] >= demand.bytes).min_by_key(|&i| result.buffers[i]);
        let chosen =
            fitting.or_else(|| candidates().max_by_key(|&i| result.buffers[i])).unwrap_or_else(|| {
                result.buffers.push(0);
                busy_until.push(None);
                result.buffers.len() - 1
            });
        result.buffers[chosen] = result.buffers[chosen].max(demand.bytes);
        busy_until[chosen] = Some(*demand.live.end());
        result.of.push(chosen);
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_two_live_tensors_share_a_buffer(
            spans in prop::collection::vec((0_usize..40, 0_usize..10, 1_u64..100), 1..60)
        ) {
            let mut demands: Vec<Demand> = spans
                .into_iter()
                .map(|(start, length, bytes)| Demand { bytes, live: start..=start + length })
                .collect();
            demands.sort_by_key(|d| *d.live.start());
            let assignment = assign(&demands);
            for (i, a) in demands.iter().enumerate() {
                prop_assert!(assignment.buffers[assignment.of[i]] >= a.bytes);
                for (j, b) in demands.iter().enumerate().skip(i + 1) {
                    let overlap = a.live.start() <= b.live.end() && b.live.start() <= a.live.end();
                    prop_assert!(!overlap || assignment.of[i] != assignment.of[j]);
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let demands: Vec<Demand> = (0..10).map(|i| Demand { bytes: 100, live: i..=i + 1 }).collect();
        assert_eq!(assign(&demands).buffers, [100, 100]);
    }
}
