//! `--tile`: which models can translate in tiles.

use ugatit::model::GeneratorConfig;
use ugatit::translate::Tiling;

use crate::console::Usage;

/// Refuses tiles that were asked for and that the model cannot give.
pub(super) fn check(tiling: Tiling, config: &GeneratorConfig) -> Result<(), Usage> {
    match tiling {
        Tiling::Side(_) if !config.light => Err(Usage(format!(
            "--tile: this full model translates {0}x{0} pictures only, so it cannot translate tiles; leave --tile out, or use a light model",
            config.img_size
        ))),
        Tiling::Side(_) if !config.takes_tiles() => Err(Usage(
            "--tile: a model of photo2cartoon looks at all of a picture at once, so it cannot translate tiles; leave --tile out".into(),
        )),
        Tiling::Auto | Tiling::Never | Tiling::Side(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_of_a_full_model_are_refused_only_where_they_are_asked_for() {
        let light = GeneratorConfig { ch: 16, ..GeneratorConfig::default() };
        assert!(check(Tiling::Side(512), &light).is_ok());
        let full = GeneratorConfig { light: false, ..light };
        assert!(check(Tiling::Auto, &full).is_ok() && check(Tiling::Never, &full).is_ok());
        let refused = check(Tiling::Side(512), &full).unwrap_err().to_string();
        assert!(refused.contains("use a light model"), "{refused}");
    }
}
