//! No shader writes a component of a vector that other invocations can see.
//!
//! WGSL counts such a write as one to the whole vector ("may access all of the memory locations
//! associated with that vector"), and compilers for Metal and Direct3D do read the vector, change
//! the component and write all of it back. Where two invocations write components of one vector,
//! one of the writes is lost. Whether two may do so cannot be told from a statement, not even
//! where its index is a constant; so every write of a component is refused, and shaders store
//! whole vectors.

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{AddressSpace, Block, Expression, Function, Module, Span, Statement, TypeInner};

/// The places of all stores into a component of a vector in workgroup or storage memory.
pub(crate) fn component_stores(module: &Module, info: &ModuleInfo) -> Vec<Span> {
    let mut found = vec![];
    for (handle, function) in module.functions.iter() {
        collect(module, function, &info[handle], &function.body, &mut found);
    }
    for (i, entry) in module.entry_points.iter().enumerate() {
        let function = &entry.function;
        collect(module, function, info.get_entry_point(i), &function.body, &mut found);
    }
    found
}

fn collect(module: &Module, function: &Function, info: &FunctionInfo, block: &Block, found: &mut Vec<Span>) {
    for (statement, span) in block.span_iter() {
        let inner: Vec<&Block> = match statement {
            Statement::Block(block) => vec![block],
            Statement::If { accept, reject, .. } => vec![accept, reject],
            Statement::Switch { cases, .. } => cases.iter().map(|case| &case.body).collect(),
            Statement::Loop { body, continuing, .. } => vec![body, continuing],
            Statement::Store { pointer, .. } => {
                if let Expression::Access { base, .. } | Expression::AccessIndex { base, .. } =
                    function.expressions[*pointer]
                    && is_shared_vector(module, info[base].ty.inner_with(&module.types))
                {
                    found.push(*span);
                }
                vec![]
            }
            _ => vec![],
        };
        for block in inner {
            collect(module, function, info, block, found);
        }
    }
}

/// Whether a type is that of a pointer to a vector which several invocations can write.
fn is_shared_vector(module: &Module, ty: &TypeInner) -> bool {
    let (is_vector, space) = match ty {
        TypeInner::Pointer { base, space } => {
            (matches!(module.types[*base].inner, TypeInner::Vector { .. }), space)
        }
        TypeInner::ValuePointer { size, space, .. } => (size.is_some(), space),
        _ => return false,
    };
    is_vector && matches!(space, AddressSpace::WorkGroup | AddressSpace::Storage { .. })
}
