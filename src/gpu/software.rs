//! Drivers that run shaders on the CPU.

/// Drivers that run shaders on the CPU, by a part of their names, one a line: browsers report no
/// adapter type. The build of the npm package reads the same file.
const SOFTWARE: &str = include_str!("software_adapters.txt");

/// Whether an adapter of that name runs shaders on the CPU.
pub(super) fn is_software_name(name: &str) -> bool {
    let name = name.to_lowercase();
    SOFTWARE.lines().any(|s| name.contains(s))
}
