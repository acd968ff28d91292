//! What a training run leaves for people to look at: curves for TensorBoard, metrics for
//! scripts, sheets of sample pictures, one page that shows it all, and a plain log.
//!
//! In a run's folder, so that a run explains itself:
//!
//! | file | by |
//! |---|---|
//! | `events.out.tfevents.*` | [`EventWriter`] |
//! | `metrics.jsonl` | [`MetricsLog`] |
//! | `samples/A2B_0001000.png` | [`write_sheet`] of a [`sheet()`] |
//! | `index.html` | [`RunPage`] |
//! | `log.txt` | [`RunLog`] |
//!
//! Per iteration only buffers are written; everything survives a killed process and a resumed
//! run, whose later iterations it forgets.

mod clock;
mod curves;
mod events;
mod log;
mod metrics;
mod page;
mod sheet;

pub use curves::{Curves, Point};
pub use events::EventWriter;
pub use log::RunLog;
pub use metrics::{MetricsLog, scalars};
pub use page::{RunPage, RunPhase, RunStatus};
pub use sheet::{
    SheetRow, compose, official_rows, row_names, sheet, sheet_path, translated_rows, write_sheet,
};
