//! Which tensors may share a buffer.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A tensor that needs memory during `live`, counted in launches.
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
/// and for writing), so that no two that live at the same time share one. Greedy, the largest
/// first: the smallest free buffer that is large enough, else the largest free one, grown. The
/// first buffers are those of `pool`.
pub fn assign(demands: &[Demand], pool: &[u64]) -> Assignment {
    let mut result = Assignment { buffers: pool.to_vec(), of: vec![0; demands.len()] };
    // Of each buffer when it is busy: ends by beginnings.
    let mut busy: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new(); pool.len()];
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by_key(|&i| (Reverse(demands[i].bytes), *demands[i].live.start()));
    for i in order {
        let Demand { bytes, ref live } = demands[i];
        // Spans in one buffer do not overlap, so the last that begins before this one's end is
        // the last to end, too.
        let free =
            |b: &usize| busy[*b].range(..=live.end()).next_back().is_none_or(|(_, end)| end < live.start());
        let candidates = || (0..busy.len()).filter(free);
        let fitting = candidates().filter(|&b| result.buffers[b] >= bytes).min_by_key(|&b| result.buffers[b]);
        let chosen = fitting.or_else(|| candidates().max_by_key(|&b| result.buffers[b]));
        let chosen = chosen.unwrap_or_else(|| {
            result.buffers.push(0);
            busy.push(BTreeMap::new());
            busy.len() - 1
        });
        result.buffers[chosen] = result.buffers[chosen].max(bytes);
        busy[chosen].insert(*live.start(), *live.end());
        result.of[i] = chosen;
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
            spans in prop::collection::vec((0_usize..40, 0_usize..10, 1_u64..100), 1..60),
            pool in prop::collection::vec(1_u64..100, 0..5),
        ) {
            let demands: Vec<Demand> = spans
                .into_iter()
                .map(|(start, length, bytes)| Demand { bytes, live: start..=start + length })
                .collect();
            let assignment = assign(&demands, &pool);
            prop_assert!(pool.iter().zip(&assignment.buffers).all(|(before, after)| before <= after));
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
        assert_eq!(assign(&demands, &[]).buffers, [100, 100]);
    }
}
