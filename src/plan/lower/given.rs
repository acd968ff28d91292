//! Plans whose outputs lie in memory of their owner.

use crate::error::{Error, Result};
use crate::graph::NodeId;

use super::super::{Destination, Plan};
use super::Lowering;
use super::spectral::is_iterated;

impl Lowering<'_> {
    pub(in super::super) fn into_given(mut self, destinations: &[Destination], pool: &[u64]) -> Result<Plan> {
        self.lower_into_given(destinations, &[])?;
        Ok(self.finish(pool))
    }

    /// All launches, those that write to memory of the owner among them. What is in `kept` has memory of its own, and
    /// nothing is added to it.
    pub(super) fn lower_into_given(&mut self, destinations: &[Destination], kept: &[NodeId]) -> Result<()> {
        let outputs: Vec<NodeId> = destinations.iter().map(|to| to.node).collect();
        self.prepare(&[&outputs, kept].concat());
        for (i, to) in destinations.iter().enumerate() {
            if !self.clashes(to, destinations) {
                self.destinations.entry(to.node).or_insert((i, to.layout));
            }
        }
        self.launches(&outputs)?;
        for (i, to) in destinations.iter().enumerate() {
            let (value, layout) = self.output(to.node)?;
            if layout != to.layout {
                return Err(Error::Shape(format!("output {i} lies as {layout:?}, not as {:?}", to.layout)));
            }
            match self.given.get(&value) {
                Some(&at) if at == i => {}
                Some(_) => return Err(Error::Shape(format!("output {i} is asked for twice"))),
                None => self.plan.copies.push((value, i, layout.bytes())),
            }
        }
        Ok(())
    }

    /// Whether a launch that reads the output would write the same buffer.
    fn clashes(&self, to: &Destination, destinations: &[Destination]) -> bool {
        let readers = self.graph.iter().filter(|(_, node)| node.inputs.contains(&to.node));
        // Of the vectors of the spectral normalisation u is computed with v.
        let mut readers = readers.filter(|(id, _)| !is_iterated(self.graph, *id));
        readers.any(|(id, _)| {
            let end = self.end(id);
            destinations.iter().any(|other| other.buffer == to.buffer && other.node == end)
        })
    }
}
