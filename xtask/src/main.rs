//! What a person types in this repository.

mod bench;

fn main() -> anyhow::Result<()> {
    pollster::block_on(bench::run())
}
