//! Which compiler Direct3D 12 gets.

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

use wgpu::Dx12Compiler;

/// DirectXShaderCompiler (DXC) as a library.
const LIBRARY: &str = "dxcompiler.dll";

/// The compiler that the environment variable `WGPU_DX12_COMPILER` names; else DXC, where its
/// library lies beside the program or in a folder of `PATH`; else FXC, which Windows brings.
///
/// wgpu would look for DXC on its own, but does not say whether it found it. Its feature
/// `static-dxc` fetches a binary from a third party while it is built, so it is not used.
pub(super) fn compiler() -> Dx12Compiler {
    static COMPILER: OnceLock<Dx12Compiler> = OnceLock::new();
    let find = || match Dx12Compiler::from_env() {
        Some(Dx12Compiler::Auto) | None => {
            let program = env::current_exe().ok().and_then(|program| program.parent().map(PathBuf::from));
            let path = env::var_os("PATH").unwrap_or_default();
            choose(program.into_iter().chain(env::split_paths(&path)))
        }
        Some(asked) => asked,
    };
    COMPILER.get_or_init(find).clone()
}

/// DXC in the first folder that has it, else FXC.
fn choose(folders: impl Iterator<Item = PathBuf>) -> Dx12Compiler {
    let mut libraries = folders.map(|folder| folder.join(LIBRARY));
    match libraries.find(|library| library.is_file()) {
        Some(library) => Dx12Compiler::DynamicDxc { dxc_path: library.to_string_lossy().into_owned() },
        None => Dx12Compiler::Fxc,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "the helpers of tests fail like the tests themselves"
    )]

    use super::*;

    #[test]
    fn dxc_is_taken_from_the_first_folder_that_has_it() {
        let folders =
            [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths = || folders.iter().map(|folder| folder.path().to_path_buf());
        assert!(matches!(choose(paths()), Dx12Compiler::Fxc));
        for folder in &folders[1..] {
            std::fs::write(folder.path().join(LIBRARY), "").unwrap();
        }
        let Dx12Compiler::DynamicDxc { dxc_path } = choose(paths()) else { panic!("DXC is there") };
        assert!(dxc_path.starts_with(&*folders[1].path().to_string_lossy()));
    }
}
