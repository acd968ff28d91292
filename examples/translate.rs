//! Translates one picture: `cargo run --release --example translate -- MODEL INPUT OUTPUT.png`

use std::path::Path;

use ugatit::Result;
use ugatit::device::Device;
use ugatit::io::{Model, PictureFormat, read_picture, write_picture};
use ugatit::translate::{Options, Translator};

/// `model` is a file of ours, an official `.pt`, or a folder of either.
fn translate(model: &Path, input: &Path, output: &Path) -> Result<()> {
    // A GPU where there is one, else the processor.
    let mut translator = Translator::new_blocking(Device::best_blocking()?, Model::open(model, None)?)?;
    let translated = translator.translate_blocking(&read_picture(input)?, &Options::default())?;
    write_picture(output, &translated.picture, PictureFormat::Png, true)
}

fn main() -> std::result::Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, output] = &arguments[..] else {
        return Err("usage: translate MODEL INPUT OUTPUT.png".into());
    };
    translate(model.as_ref(), input.as_ref(), output.as_ref()).map_err(|e| e.to_string())
}
