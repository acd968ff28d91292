//! Training runs in folders. A [`Run`] trains, and keeps in its folder what people look at and what it needs to go on,
//! however it ended.
//!
//! ```no_run
//! use ugatit::device::Device;
//! use ugatit::io::Dataset;
//! use ugatit::run::{Run, RunConfig};
//!
//! # fn main() -> ugatit::Result<()> {
//! // `trainA` and `trainB` hold the pictures of the two domains.
//! let dataset = Dataset::open("cat2dog")?;
//! let config = RunConfig::layered(Some("small"), &[RunConfig::read("iteration = 20000")?])?;
//! // A new run, or the one in this folder from its newest checkpoint on.
//! let (mut run, _) = Run::open_blocking("runs/cat2dog", dataset, config, Device::best_blocking()?)?;
//! while !run.is_done() {
//!     for notice in run.advance_blocking()?.notices {
//!         eprintln!("{notice}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Whoever ends a run before its end calls [`Run::stop`], which keeps it as it is; after an error [`Run::fail`] does, and
//! after [`crate::Error::DeviceLost`] [`Run::recover`] goes on with another device. What is in the folder:
//!
//! | file | by |
//! |---|---|
//! | `config.toml` | [`RunConfig`] |
//! | `data.json`: the dataset, to be known again | [`Run`] |
//! | `checkpoints/step-0001000.safetensors` | [`Checkpoint`] |
//! | `models/A2B.safetensors`, `B2A.safetensors` | [`crate::io::Model`] |
//! | `events.out.tfevents.*` | [`EventWriter`] |
//! | `metrics.jsonl` | [`MetricsLog`] |
//! | `samples/A2B_0001000.png` | [`write_sheet`] of a [`sheet()`] |
//! | `index.html` | [`RunPage`] |
//! | `log.txt` | [`RunLog`] |
//!
//! An iteration only fills buffers; files are written now and then. So a killed process loses what came after the last
//! checkpoint, and a run that goes on forgets the curves of that time.

mod blocking;
mod checkpoint;
mod clock;
mod config;
mod curves;
mod driver;
mod events;
mod export;
mod folder;
mod helper;
mod inherit;
mod log;
mod metrics;
mod models;
mod needs;
mod page;
mod precision;
mod preprocess_kind;
mod presets;
mod progress;
mod records;
mod resume;
mod samples;
mod settings;
mod sheet;
mod trained_on;
mod work;

pub use checkpoint::{Checkpoint, Position};
pub use curves::{Curves, Point};
pub use driver::{Beginning, Run};
pub use events::EventWriter;
pub use folder::RunFolder;
pub use helper::Helper;
pub use inherit::{Inherited, InheritedNetwork, Start};
pub use log::RunLog;
pub use metrics::{MetricsLog, scalars};
pub use needs::{Free, RunNeeds};
pub use page::{RunPage, RunPhase, RunStatus};
pub use precision::Precision;
pub use preprocess_kind::PreprocessKind;
pub use presets::{PRESETS, Preset};
pub use progress::Progress;
pub use settings::{RunConfig, SETTINGS, Setting, SettingKind};
pub use sheet::{
    SheetRow, compose, official_rows, row_names, sheet, sheet_path, translated_rows, write_sheet,
};
pub use trained_on::OtherData;
