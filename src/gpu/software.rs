//! Drivers that run shaders on the CPU.

/// Drivers that run shaders on the CPU, by a part of their names, one a line: browsers report no
/// adapter type. The build of the npm package reads the same file.
const SOFTWARE: &str = include_str!("software_adapters.txt");

/// Whether an adapter of that name runs shaders on the CPU.
pub(super) fn is_software_name(name: &str) -> bool {
    let name = name.to_lowercase();
    SOFTWARE.lines().any(|s| name.contains(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_adapters_are_known_by_their_names() {
        assert!(
            SOFTWARE
                .lines()
                .all(|name| !name.is_empty() && name == name.trim() && name == name.to_lowercase())
        );
        for name in [
            "llvmpipe (LLVM 15.0.6, 256 bits)",
            "SwiftShader Device (Subzero)",
            "google swiftshader",
            "Microsoft Basic Render Driver",
            "microsoft warp",
            "Apple Software Renderer",
        ] {
            assert!(is_software_name(name), "{name}");
        }
        for name in
            ["NVIDIA GeForce RTX 4090", "apple common-3", "Intel(R) UHD Graphics 630", "unnamed GPU", ""]
        {
            assert!(!is_software_name(name), "{name}");
        }
    }
}
