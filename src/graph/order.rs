//! In which order a graph computes what does not depend on each other.

use super::{Graph, NodeId};

/// The same graph, which computes all that the first of `groups` needs, then what is left of the second, and so on: what
/// only one group needs does not live beside what only another one does. What no group needs is left out. Returns the
/// new ids of the groups, too.
pub fn in_groups<const N: usize>(graph: &Graph, groups: &[Vec<NodeId>; N]) -> (Graph, [Vec<NodeId>; N]) {
    let mut ordered = Graph::new();
    let mut moved: Vec<Option<NodeId>> = vec![None; graph.nodes().len()];
    for group in groups {
        let mut needed = vec![false; graph.nodes().len()];
        group.iter().for_each(|id| needed[id.index()] = true);
        for (i, node) in graph.nodes().iter().enumerate().rev() {
            if needed[i] {
                node.inputs.iter().for_each(|input| needed[input.index()] = true);
            }
        }
        for (i, node) in graph.nodes().iter().enumerate() {
            if needed[i] && moved[i].is_none() {
                // Inputs come before their readers.
                let inputs = node.inputs.iter().filter_map(|input| moved[input.index()]).collect();
                moved[i] = Some(ordered.push(node.op.clone(), inputs, node.shape.clone(), node.name.clone()));
            }
        }
    }
    let find = |group: &Vec<NodeId>| group.iter().filter_map(|id| moved[id.index()]).collect();
    let groups = groups.each_ref().map(find);
    (ordered, groups)
}

#[cfg(test)]
mod tests {
    use super::super::Op;
    use super::*;

    #[test]
    fn a_group_is_done_before_the_next_begins() {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 4, 2, 2]);
        let [shared, a, b] =
            [(1.0, x), (2.0, x), (3.0, x)].map(|(by, x)| graph.add(Op::Scale(by), &[x]).unwrap());
        let end_a = graph.add(Op::Add, &[shared, a]).unwrap();
        let end_b = graph.add(Op::Add, &[shared, b]).unwrap();
        graph.add(Op::Scale(4.0), &[b]).unwrap();

        let (ordered, groups) = in_groups(&graph, &[vec![end_b], vec![end_a, a]]);
        let ops: Vec<&Op> = ordered.nodes().iter().map(|node| &node.op).collect();
        let [one, two, three] = [1.0, 2.0, 3.0].map(Op::Scale);
        assert_eq!(ops, [&Op::Input, &one, &three, &Op::Add, &two, &Op::Add]);
        let indices: Vec<Vec<usize>> =
            groups.iter().map(|group| group.iter().map(|id| id.index()).collect()).collect();
        assert_eq!(indices, [vec![3], vec![5, 4]]);
        let inputs: Vec<usize> = ordered.node(groups[1][0]).inputs.iter().map(|id| id.index()).collect();
        assert_eq!(inputs, [1, 4]);
    }
}
