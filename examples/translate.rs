//! Translates one picture: `cargo run --release --example translate -- MODEL INPUT OUTPUT.png`

use std::path::Path;

use ugatit::gpu::{AdapterOptions, Gpu};
use ugatit::io::{Model, PictureFormat, read_picture, write_picture};
use ugatit::translate::{Device, PictureOptions, Translator, prepare};
use ugatit::{Error, Result};

/// `model` is a file of ours, an official `.pt`, or a folder of either.
async fn translate(model: &Path, input: &Path, output: &Path) -> Result<()> {
    let model = Model::open(model, None)?;
    // A real GPU where there is one, else the processor.
    let device = match Gpu::open(&AdapterOptions::default()).await {
        Ok(gpu) => Device::Gpu(gpu),
        Err(Error::NoAdapter { .. } | Error::OnlySoftware { .. }) => Device::Cpu,
        Err(error) => return Err(error),
    };
    let mut translator = Translator::new(device, model).await?;

    let picture = read_picture(input)?;
    let prepared = prepare(translator.config(), &picture, &PictureOptions::default())?;
    let translation = translator.run(&prepared.tensor).await?;
    let translated = prepared.finish(&translation)?;
    write_picture(output, &translated.picture, PictureFormat::Png, true)
}

fn main() -> std::result::Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, output] = &arguments[..] else {
        return Err("usage: translate MODEL INPUT OUTPUT.png".into());
    };
    pollster::block_on(translate(model.as_ref(), input.as_ref(), output.as_ref())).map_err(|e| e.to_string())
}
