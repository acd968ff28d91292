//! Distances of sets of features.

use ugatit::eval::{KidOptions, kid};
use ugatit::io::read_features;

use crate::console::Usage;

use super::Args;
use super::results::Distance;

/// The distance of each `--kid-fake` and its `--kid-real`.
pub(super) fn measure(args: &Args) -> anyhow::Result<Vec<Distance>> {
    if args.kid_real.len() != args.kid_fake.len() {
        return Err(Usage(format!(
            "{} files of --kid-real and {} of --kid-fake; each belongs to one of the other",
            args.kid_real.len(),
            args.kid_fake.len()
        ))
        .into());
    }
    let options =
        KidOptions { subsets: args.kid_subsets, subset_size: args.kid_subset_size, seed: args.seed };
    let each = args.kid_fake.iter().zip(&args.kid_real).map(|(fake, real)| {
        let (generated, other) = (read_features(fake)?, read_features(real)?);
        let kid = kid(&generated, &other, &options)?;
        let rows = |shape: &ugatit::graph::Shape| shape.dims().first().copied().unwrap_or_default();
        Ok(Distance {
            fake: fake.clone(),
            real: real.clone(),
            fake_features: rows(generated.shape()),
            real_features: rows(other.shape()),
            mean: kid.mean,
            std: kid.std,
            subsets: kid.subsets,
            subset_size: kid.subset_size,
            seed: args.seed,
        })
    });
    each.collect()
}
