//! What connects several ranks, for `cargo xtask test --mpi` and `cargo xtask lint --mpi`.

use std::path::Path;

use anyhow::Result;
use xtask::process::Package;

use crate::systems::found;

const MPI: Package = Package {
    missing: "several ranks are connected by MPI, and built with its headers and libclang",
    apt: &["openmpi-bin", "libopenmpi-dev", "libclang-dev"],
    elsewhere: "install Open MPI or MPICH with its headers, and libclang (LIBCLANG_PATH names its folder)",
};

/// What builds the programs of the workspace for several ranks.
pub(crate) const FEATURES: [&str; 2] = ["--features", "ugatit-native/mpi,xtask-tools/mpi"];

/// Makes sure of MPI.
pub(crate) fn ensure() -> Result<()> {
    MPI.need(|| {
        let programs = ["mpirun", "mpicc"].iter().all(|name| found(name, &[]).is_some());
        (programs && has_libclang()).then_some(())
    })
}

fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let holds = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libclang"))
    };
    let compilers = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let compilers = compilers.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"));
    compilers.map(|entry| entry.path().join("lib")).any(|folder| holds(&folder))
        || ["/usr/lib64", "/usr/lib", "/usr/local/lib"].iter().any(|folder| holds(Path::new(folder)))
}
