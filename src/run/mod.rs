//! Training runs on disk: [`Run`] trains in a folder where everything is that it needs to go on
//! after whatever end, and all that people look at.
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
//! Per iteration only buffers are written; everything survives a killed process and a resumed
//! run, whose later iterations it forgets.

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
