//! Spectral normalisation.

use crate::catalogue::{
    dot, linear, linear_grad_input, normalize, scale, spectral_iteration, spectral_norm_grad,
    spectral_pair_columns, spectral_pair_rows,
};
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, NodeId, Op};

use super::super::Bound;
use super::super::layout::{Layout, quads};
use super::super::select;
use super::{Lowering, Value, multiply_adds};

/// A weight under spectral normalisation as it lies in memory: a matrix of rows x columns.
pub(super) struct Matrix {
    bound: Bound,
    pub(super) layout: Layout,
    rows: usize,
    /// vec4s.
    pub(super) columns: usize,
    /// Whether the rows are the outputs (of a linear layer), so that u goes with them.
    pub(super) rows_are_outputs: bool,
}

/// One power iteration with what follows from it, which one launch computes.
struct Iteration {
    v: NodeId,
    u: NodeId,
    sigma: Option<NodeId>,
}

/// That which `v` begins, if it is a [`Op::PowerIterationV`] whose result goes on to u.
fn iteration(graph: &Graph, v: NodeId) -> Option<Iteration> {
    let node = graph.node(v);
    if node.op != Op::PowerIterationV {
        return None;
    }
    let w = node.inputs[0];
    let reads = |op: Op, inputs: &[NodeId]| {
        let mut found = graph.iter().filter(|(_, node)| node.op == op && node.inputs == inputs);
        found.next().map(|(id, _)| id)
    };
    let u = reads(Op::PowerIterationU, &[w, v])?;
    Some(Iteration { v, u, sigma: reads(Op::SpectralSigma, &[w, u, v]) })
}

/// Whether a node is computed with the vector v that it reads.
pub(super) fn is_iterated(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    node.op == Op::PowerIterationU && iteration(graph, node.inputs[1]).is_some_and(|found| found.u == id)
}

impl Lowering<'_> {
    pub(super) fn spectral_matrix(&self, id: NodeId) -> Result<Matrix> {
        let (layout, bound) = (self.layout(id)?, self.operand(id)?);
        Ok(match layout {
            Layout::ConvWeight { o, i, taps } => Matrix {
                bound,
                layout,
                rows: taps * i.next_multiple_of(4),
                columns: quads(o),
                rows_are_outputs: false,
            },
            Layout::LinearWeight { m, k } => Matrix {
                bound,
                layout,
                rows: m.next_multiple_of(4),
                columns: quads(k),
                rows_are_outputs: true,
            },
            _ => return Err(Error::Internal("spectral normalisation needs a weight".into())),
        })
    }

    /// The layout of v: it goes with the inputs.
    fn v_layout(&self, w: &Matrix, id: NodeId) -> Layout {
        match w.layout {
            Layout::ConvWeight { i, taps, .. } => Layout::ConvRows { i, taps },
            _ => Layout::activation(self.graph.shape(id)),
        }
    }

    /// `y = W x` where `x` goes with the columns of memory: one dot product per row.
    fn multiply(&mut self, w: &Matrix, x: Bound, y: Value) -> Result<()> {
        let params = linear::Params {
            in_quads: w.columns as u32,
            out_quads: (w.rows / 4) as u32,
            ..linear::Params::default()
        };
        let shader = if w.columns >= 256 { &linear::LINEAR_256 } else { &linear::LINEAR_64 };
        let bindings = [x, w.bound, x, x, x, self.whole(y)];
        self.launch(
            shader,
            params,
            &bindings,
            [w.rows / 4, 1, 1],
            "spectral matrix product",
            multiply_adds(&[w.rows, 4 * w.columns]),
        )
    }

    /// `y = xᵀ W` where `x` goes with the rows of memory.
    fn multiply_transposed(&mut self, w: &Matrix, x: Bound, y: Value) -> Result<()> {
        let params = linear_grad_input::Params {
            in_quads: w.columns as u32,
            g_quads: (w.rows / 4) as u32,
            rows: w.rows as u32,
            ..linear_grad_input::Params::default()
        };
        self.times_matrix(params, [x, w.bound, x, self.whole(y)], 1, "spectral matrix product")
    }

    /// The product of W with the vector that goes with its inputs (`outputs` false: that goes
    /// with its outputs), and the vec4s of the result.
    fn product(&mut self, w: &Matrix, x: Bound, outputs: bool) -> Result<(Value, usize)> {
        let along_rows = w.rows_are_outputs == outputs;
        let total = if along_rows { w.columns } else { w.rows / 4 };
        let y = self.scratch_quads(total)?;
        if along_rows {
            self.multiply_transposed(w, x, y)?;
        } else {
            self.multiply(w, x, y)?;
        }
        Ok((y, total))
    }

    /// Another iteration that can be computed now, of a weight of the same shape.
    fn partner(&self, id: NodeId) -> Option<NodeId> {
        let is_ready = |input: NodeId| {
            matches!(self.graph.node(input).op, Op::Parameter) || self.values[input.index()].is_some()
        };
        let [w, _] = self.graph.node(id).inputs[..] else { return None };
        let mut later = self.graph.iter().skip(id.index() + 1).filter(|(other, node)| {
            node.op == Op::PowerIterationV
                && !self.computed.contains(other)
                && node.inputs.iter().all(|&input| is_ready(input))
                && self.graph.shape(node.inputs[0]) == self.graph.shape(w)
                && iteration(self.graph, *other).is_some()
        });
        later.next().map(|(other, _)| other)
    }

    /// The power iteration that `id` begins up to sigma, together with another of the same shape if there is one.
    fn iterate(&mut self, id: NodeId) -> Result<()> {
        let both: Vec<NodeId> = std::iter::once(id).chain(self.partner(id)).collect();
        let matrices = both.iter().map(|&v| self.spectral_matrix(self.graph.node(v).inputs[0]));
        let matrices = matrices.collect::<Result<Vec<_>>>()?;
        let us = both.iter().map(|&v| self.operand(self.graph.node(v).inputs[1]));
        let us = us.collect::<Result<Vec<_>>>()?;
        let (p, v_quads, q, u_quads, splits) = match (&matrices[..], &us[..]) {
            ([a, b], &[of_a, of_b]) => {
                let (p, v_quads, _) = self.products_of_two([a, b], ([of_a, of_b], 0), true)?;
                let of_both = self.whole(p);
                let (q, u_quads, splits) = self.products_of_two([a, b], ([of_both; 2], v_quads), false)?;
                (p, v_quads, q, u_quads, splits)
            }
            _ => {
                let (p, v_quads) = self.product(&matrices[0], us[0], true)?;
                let (q, u_quads) = self.product(&matrices[0], self.whole(p), false)?;
                (p, v_quads, q, u_quads, 1)
            }
        };
        let mut bindings = vec![self.whole(p), self.whole(q)];
        for &v in &both {
            let Some(found) = iteration(self.graph, v) else { continue };
            let w = self.spectral_matrix(self.graph.node(v).inputs[0])?;
            let layout = self.v_layout(&w, v);
            let at_v = self.result_in(found.v, layout)?;
            let at_u = self.result(found.u)?;
            let at_sigma = match found.sigma {
                Some(sigma) => self.result(sigma)?,
                None => self.scratch_quads(1)?,
            };
            bindings.extend([at_v, at_u, at_sigma].map(|value| self.whole(value)));
            self.computed.extend([Some(found.v), Some(found.u), found.sigma].into_iter().flatten());
        }
        let params = spectral_iteration::Params {
            v_quads: v_quads as u32,
            u_quads: u_quads as u32,
            splits: splits as u32,
            reserved: 0,
        };
        let shader = match both.len() {
            1 => &spectral_iteration::SPECTRAL_ITERATION,
            _ => &spectral_iteration::SPECTRAL_ITERATION_PAIR,
        };
        self.launch(shader, params, &bindings, [both.len(), 1, 1], "power iteration", 0)
    }

    /// As [`Self::product`], of two matrices of one shape in one launch; the second vector begins `second` vec4s behind
    /// the beginning of its binding. The results lie one behind the other. Those of v's product are
    /// whole, those of u's in so many parts.
    fn products_of_two(
        &mut self,
        [a, b]: [&Matrix; 2],
        (x, second): ([Bound; 2], usize),
        outputs: bool,
    ) -> Result<(Value, usize, usize)> {
        let label = "spectral matrix products";
        let flops = multiply_adds(&[2, a.rows, 4 * a.columns]);
        if a.rows_are_outputs != outputs {
            let total = a.rows / 4;
            let params = spectral_pair_rows::Params {
                columns: a.columns as u32,
                row_quads: total as u32,
                second: second as u32,
                reserved: 0,
            };
            let y = self.scratch_quads(2 * total)?;
            let bindings = [x[0], a.bound, x[1], b.bound, self.whole(y)];
            let shader = &spectral_pair_rows::SPECTRAL_PAIR_ROWS;
            self.launch(shader, params, &bindings, [total, 2, 1], label, flops)?;
            return Ok((y, total, 1));
        }
        let shader = select::joined_or_serial(
            self.target.class,
            [
                &spectral_pair_columns::SPECTRAL_PAIR_COLUMNS_16,
                &spectral_pair_columns::SPECTRAL_PAIR_COLUMNS_SERIAL,
            ],
        );
        let [width, height] = ["COLUMNS", "ROWS"].map(|name| shader.constant(name) as usize);
        let mut workgroups = [a.columns.div_ceil(width), 2, 1];
        if !outputs {
            workgroups[2] = self.cut(shader, workgroups, a.rows / height, 2 * a.columns).splits;
        }
        let splits = workgroups[2];
        let params = spectral_pair_columns::Params {
            columns: a.columns as u32,
            rows: a.rows as u32,
            split: a.rows.div_ceil(splits) as u32,
            second: second as u32,
        };
        let y = self.scratch_quads(2 * splits * a.columns)?;
        let bindings = [x[0], a.bound, x[1], b.bound, self.whole(y)];
        self.launch(shader, params, &bindings, workgroups, label, flops)?;
        Ok((y, a.columns, splits))
    }

    /// W, u → v, or W, v → u.
    pub(super) fn power_iteration(&mut self, id: NodeId, node: &Node) -> Result<()> {
        if self.computed.contains(&id) {
            return Ok(());
        }
        if iteration(self.graph, id).is_some() {
            return self.iterate(id);
        }
        let w = self.spectral_matrix(node.inputs[0])?;
        let x = self.operand(node.inputs[1])?;
        let from_u = node.op == Op::PowerIterationV;
        let (product, total) = self.product(&w, x, from_u)?;
        if !from_u {
            self.spectral_products.insert((node.inputs[0], node.inputs[1]), (product, total));
        }
        let layout = if from_u { self.v_layout(&w, id) } else { Layout::activation(&node.shape) };
        let y = self.result_in(id, layout)?;
        let params = normalize::Params { total: total as u32, ..normalize::Params::default() };
        let bindings = [self.whole(product), self.whole(y)];
        self.launch(&normalize::NORMALIZE, params, &bindings, [1, 1, 1], "normalize", 0)
    }

    /// `u · (W v)`
    pub(super) fn spectral_sigma(&mut self, id: NodeId, node: &Node) -> Result<()> {
        if self.computed.contains(&id) {
            return Ok(());
        }
        let w = self.spectral_matrix(node.inputs[0])?;
        let (u, v) = (self.operand(node.inputs[1])?, self.operand(node.inputs[2])?);
        // The power iteration for u has computed it.
        let (product, total) = match self.spectral_products.get(&(node.inputs[0], node.inputs[2])) {
            Some(&product) => product,
            None => self.product(&w, v, false)?,
        };
        let y = self.result(id)?;
        // The vector u may have fewer vec4s than the product, whose padding is zero.
        let total = total.min((u.bytes / 16) as usize);
        self.dot([u, self.whole(product)], total, y, 1)
    }

    /// The dot product of `total` vec4s of `a` and `b`, in so many parts.
    fn dot(&mut self, [a, b]: [Bound; 2], total: usize, y: Value, parts: usize) -> Result<()> {
        let params = dot::Params { total: total as u32, ..dot::Params::default() };
        let bindings = [a, b, self.whole(y)];
        self.launch(&dot::DOT, params, &bindings, [parts, 1, 1], "dot", 0)
    }

    /// `W / sigma`
    pub(super) fn spectral_norm(&mut self, id: NodeId, node: &Node) -> Result<()> {
        if self.absorbed.is_division(id) {
            return Ok(());
        }
        let w = self.spectral_matrix(node.inputs[0])?;
        let sigma = self.operand(node.inputs[1])?;
        let y = self.result_in(id, w.layout)?;
        let total = w.layout.floats() / 4;
        let params = scale::Params { total: total as u32, ..scale::Params::default() };
        let workgroups = self.spread(total.div_ceil(256));
        self.launch(&scale::DIVIDE, params, &[w.bound, sigma, self.whole(y)], workgroups, "spectral norm", 0)
    }

    pub(super) fn spectral_norm_grad(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let g = self.operand(node.inputs[0])?;
        let w = self.spectral_matrix(node.inputs[1])?;
        let [sigma, u, v] = [2, 3, 4].map(|k| self.operand(node.inputs[k]));
        let (sigma, u, v) = (sigma?, u?, v?);
        let total = w.layout.floats() / 4;
        let shader = select::joined_or_serial(
            self.target.class,
            [&spectral_norm_grad::SPECTRAL_NORM_GRAD_JOINED, &spectral_norm_grad::SPECTRAL_NORM_GRAD_SERIAL],
        );
        // What each invocation adds alone should be little.
        let parts = total.div_ceil(1024).clamp(1, if shader.constant("JOINED") == 1 { 256 } else { 16 });
        let product = self.scratch_quads(parts)?;
        self.dot([g, w.bound], total, product, parts)?;
        let (y, accumulate) = self.summed_in(id, w.layout)?;
        let (p, q) = if w.rows_are_outputs { (u, v) } else { (v, u) };
        let params = spectral_norm_grad::Params {
            total: total as u32,
            columns: w.columns as u32,
            p_quads: (p.bytes / 16) as u32,
            parts: parts as u32,
            accumulate,
            ..spectral_norm_grad::Params::default()
        };
        let bindings = [g, sigma, self.whole(product), p, q, self.whole(y)];
        let workgroups = self.spread(total.div_ceil(256));
        self.launch(shader, params, &bindings, workgroups, "spectral norm grad", 0)
    }
}
