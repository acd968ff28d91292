//! Plans that run between two launches of another one.

use crate::error::{Error, Result};
use crate::graph::NodeId;

use super::super::layout::Layout;
use super::super::memory::{Assignment, Demand, assign};
use super::super::{Around, Destination};
use super::{Lowering, Value};

impl Lowering<'_> {
    /// Plans what `self` and `between` compute: the nodes before `first`, then all of `between`, one after the
    /// other, then the rest. An input of `between` that has the name of one of `shared`, or of an input of `self`, is
    /// that tensor; the others are fed to each before it runs.
    pub(in super::super) fn around(
        mut self,
        destinations: &[Destination],
        (first, shared): (usize, &[(String, NodeId)]),
        between: Vec<(Self, &[Destination])>,
    ) -> Result<Around> {
        let nodes: Vec<NodeId> = shared.iter().map(|(_, node)| *node).collect();
        self.lower_into_given(destinations, &nodes)?;
        let cut = self.launches_before.get(first).copied().unwrap_or(self.plan.launches.len());
        let mut lowered = vec![];
        for (mut lowering, destinations) in between {
            lowering.lower_into_given(destinations, &[])?;
            lowered.push(lowering);
        }

        // Times are counted in launches. Before those of each plan in between it is fed, and behind them it is read.
        let duration = |lowering: &Self| lowering.plan.launches.len() + 2;
        let later: usize = lowered.iter().map(duration).sum();
        let time = |at: usize| if at <= cut { at } else { at + later };
        let own: Vec<Value> = self.own().collect();
        let demand = |&value: &Value| {
            let Demand { bytes, ref live } = self.demands[value];
            Demand { bytes, live: time(*live.start())..=time(*live.end()) }
        };
        let mut demands: Vec<Demand> = own.iter().map(demand).collect();
        let alone = assign(&demands, &[]).buffers.iter().sum();

        let mut now = cut + 1;
        let mut planned = vec![];
        for mut lowering in lowered {
            let mut of: Vec<usize> = vec![];
            let inputs = std::mem::take(&mut lowering.plan.inputs);
            for value in lowering.own() {
                let Demand { bytes, live } = &lowering.demands[value];
                let live = now + live.start()..=now + live.end();
                let input = inputs.iter().find(|input| input.buffer == value);
                let known = input.and_then(|input| Some((input, self.known(shared, &input.name)?)));
                let Some((input, (there, layout))) = known else {
                    of.push(demands.len());
                    demands.push(Demand { bytes: *bytes, live });
                    continue;
                };
                let at = own.iter().position(|own| *own == there).filter(|_| layout == input.layout);
                let Some(at) = at.filter(|&at| *demands[at].live.start() <= cut) else {
                    let name = &input.name;
                    return Err(Error::Internal(format!("`{name}` is not there in time, or lies otherwise")));
                };
                let until = *demands[at].live.end().max(live.end());
                demands[at].live = *demands[at].live.start()..=until;
                of.push(at);
            }
            lowering.plan.inputs =
                inputs.into_iter().filter(|input| self.known(shared, &input.name).is_none()).collect();
            now += duration(&lowering);
            planned.push((lowering, of));
        }
        let Assignment { buffers, of } = assign(&demands, &[]);
        let placed = |lowering: Self, own: &[usize]| {
            let of = own.iter().map(|&at| of[at]).collect();
            lowering.placed(Assignment { buffers: buffers.clone(), of })
        };
        let between = planned.into_iter().map(|(lowering, own)| placed(lowering, &own)).collect();
        let all: Vec<usize> = (0..own.len()).collect();
        Ok(Around { plan: placed(self, &all), first: cut, between, alone })
    }

    /// The tensor that those in between know by this name.
    fn known(&self, shared: &[(String, NodeId)], name: &str) -> Option<(Value, Layout)> {
        match shared.iter().find(|(shared, _)| shared == name) {
            Some((_, node)) => self.values[node.index()],
            None => {
                let input = self.plan.inputs.iter().find(|input| input.name == name)?;
                Some((input.buffer, input.layout))
            }
        }
    }
}
