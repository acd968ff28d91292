//! `ugatit eval`: a model measured on test pictures.

mod data;
mod distances;
mod histogram;
mod measure;
mod page;
mod picture_files;
mod results;
mod sent;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use ugatit::eval::{KidOptions, SheetLayout, contact_sheet};
use ugatit::io::{Model, Picture, PictureFormat, write_atomically, write_picture};
use ugatit::translate::Translator;

use crate::console::{self, Usage};
use crate::device::{self, DeviceArgs};
use crate::models;
use crate::ranks::Crew;

use measure::Measured;
use results::Results;

/// Measure a model on test pictures
///
/// DATA holds pictures in testA and testB, or in one of them, of which then all is measured that it tells. They are brought to the model's size as the official
/// program does. Measured are the cycle (there and back) and the identity (a picture of a domain
/// translated to that domain), both as they are trained; with --pairs also PSNR and SSIM of each
/// translation and its partner, beside those of the untouched picture; with --kid-real and
/// --kid-fake the kernel inception distance of features that another program has computed.
/// The exit status is 1 where a picture could not be read; the rest is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder that holds testA, testB or both; may be left out where features are all there is
    #[arg(value_name = "DATA", required_unless_present = "kid_real")]
    data: Option<PathBuf>,
    /// A model file, an official checkpoint (.pt), a folder of models, or the folder of a
    /// training run, which holds `models`, or one of its checkpoints
    #[arg(short, long, value_name = "MODEL", env = "UGATIT_MODEL")]
    model: Option<PathBuf>,
    /// A folder for metrics.json, the page index.html and its pictures
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Pictures of the same name in testA and testB belong together
    #[arg(long)]
    pairs: bool,
    /// Features of real pictures: .npy or .safetensors, [pictures, D]. May be given again, with
    /// a --kid-fake each
    #[arg(long, value_name = "FILE", requires = "kid_fake")]
    kid_real: Vec<PathBuf>,
    /// Features of translated pictures, by the same network
    #[arg(long, value_name = "FILE", requires = "kid_real")]
    kid_fake: Vec<PathBuf>,
    /// How many random subsets the distance is a mean of
    #[arg(long, value_name = "N", default_value_t = KidOptions::default().subsets)]
    kid_subsets: usize,
    /// Features of each set in a subset; fewer where a set has fewer
    #[arg(long, value_name = "N", default_value_t = KidOptions::default().subset_size)]
    kid_subset_size: usize,
    /// What the drawing of subsets begins with
    #[arg(long, value_name = "N", default_value_t = KidOptions::default().seed)]
    seed: u64,
    /// The size of the pictures, SxS [default: the model's]
    #[arg(long, value_name = "S")]
    size: Option<usize>,
    /// Only the first N pictures of testA and of testB; of --pairs the first N pairs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Also write a sheet: source, translation and, with --pairs, partner, both directions
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// How many pictures of each direction the sheet shows
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    sheet_count: u32,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// The numbers as one JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    Crew::join()?.run(|crew| run_in(crew, args))
}

fn run_in(crew: &Crew, args: &Args) -> anyhow::Result<ExitCode> {
    refuse_what_is_there(args)?;
    // Nobody writes before all have looked what is there.
    crew.meet()?;
    let kid = if crew.is_first() { distances::measure(args)? } else { vec![] };
    let mut results = match &args.data {
        Some(data) => match translate(crew, args, data)? {
            Some(results) => results,
            // The first rank has all that was measured.
            None => return Ok(ExitCode::SUCCESS),
        },
        None if crew.is_first() => Results::default(),
        None => return Ok(ExitCode::SUCCESS),
    };
    results.kid = kid;
    if let Some(folder) = &args.output {
        let json = serde_json::to_vec_pretty(&results)?;
        write_atomically(&folder.join("metrics.json"), args.force, |out| out.write_all(&json))?;
        let page = page::render(&results);
        write_atomically(&folder.join("index.html"), args.force, |out| out.write_all(page.as_bytes()))?;
    }
    if args.json {
        console::line(serde_json::to_string_pretty(&results)?);
    } else {
        table::print(&results);
        let page = args.output.as_ref().map(|folder| folder.join("index.html"));
        for path in page.iter().chain(&args.sheet) {
            console::line(format_args!("written: {}", path.display()));
        }
    }
    Ok(if results.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Results that would be refused in the end are better refused at once.
fn refuse_what_is_there(args: &Args) -> anyhow::Result<()> {
    if let Some(sheet) = &args.sheet {
        if PictureFormat::from_path(sheet) != Some(PictureFormat::Png) {
            return Err(Usage(format!("{}: a sheet is a PNG; name it so", sheet.display())).into());
        }
        if args.data.is_none() {
            return Err(Usage("a sheet shows pictures; name the folder DATA that holds them".into()).into());
        }
    }
    let files = args.output.iter().flat_map(|folder| ["metrics.json", "index.html"].map(|f| folder.join(f)));
    let there = files.chain(args.sheet.clone()).find(|path| path.exists());
    match there.filter(|_| !args.force) {
        Some(path) => anyhow::bail!("{} exists already; use --force to replace it", path.display()),
        None => Ok(()),
    }
}

/// Translates the test pictures and measures what comes out: each rank some of them, and the first has the results.
fn translate(crew: &Crew, args: &Args, folder: &Path) -> anyhow::Result<Option<Results>> {
    let data = data::find(folder, args.pairs, args.limit.map(|n| n as usize))?;
    let path = models::find(args.model.as_ref())?;
    let models = Model::open_all(&path)?;
    let first = models.first().with_context(|| format!("{}: it holds no generator", path.display()))?;
    let size = args.size.unwrap_or(first.config.img_size);
    for model in &models {
        model.config.check_size(size, size).map_err(|e| Usage(e.to_string()))?;
    }
    if models.iter().any(|model| model.config.img_ch != first.config.img_ch) {
        anyhow::bail!("{}: its generators take pictures of different channels", path.display());
    }
    crew.check_same("the list of test pictures", data.number())?;
    let chosen = device::open(&crew.device(&args.device))?;
    if let Some(notice) = chosen.notice.as_ref().filter(|_| !args.json) {
        crew.note(notice);
    }
    let mut results = Results::new(
        &path,
        folder,
        size,
        chosen.device.name().to_owned(),
        models.iter().map(|m| m.direction),
    );
    results.left_out.extend(
        data.missing
            .as_ref()
            .map(|missing| format!("{missing}, so the pictures of the other domain alone are measured")),
    );
    let mut translators = vec![];
    for model in models {
        translators.push(Translator::new_blocking(chosen.device.clone(), model)?);
    }

    let shown = if args.sheet.is_some() { args.sheet_count as usize } else { 0 };
    let measured = measure::run(&data, &mut translators, size, args, (shown, crew))?;
    let Some(measured) = measured else { return Ok(None) };
    let mut sections = vec![];
    for Measured { side, groups } in measured.sides {
        results.add(side);
        sections.push(groups);
    }
    results.seconds = measured.seconds;
    results.failures = measured.failures;
    if let Some(path) = &args.sheet {
        write_sheet(path, &sections, size, args.force)?;
    }
    Ok(Some(results))
}

/// Small pictures are enlarged, and as many groups are side by side as a page is wide.
fn write_sheet(path: &Path, sections: &[Vec<Vec<Picture>>], size: usize, force: bool) -> anyhow::Result<()> {
    let scale = (128 / size).max(1);
    let longest = sections.iter().flatten().map(Vec::len).max().unwrap_or(1);
    let columns = (1600 / (size * scale * longest.max(1))).clamp(1, 6);
    let sheet = contact_sheet(sections, &SheetLayout { columns, scale, gap: 16 })?;
    Ok(write_picture(path, &sheet, PictureFormat::Png, force)?)
}
