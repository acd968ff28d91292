//! What a run needs of a disk and of the computer's own memory, and what there is of both.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::graph::Shape;
use crate::io::Dataset;
use crate::text;
use crate::train::{AVERAGED, Player, StepGraph};
use crate::translate;

use super::config::{EARLY_SHEETS, RunConfig};
use super::records::ALL_LOGGED;
use super::samples::SHOWN;
use super::sheet::row_count;

/// The program itself, without anything that it computes: measured on Linux.
const PROGRAM: u64 = 64 << 20;
/// What an entry of the curves takes in `metrics.jsonl` and in the event file together, measured.
const ENTRY: u64 = 3000;

/// Bytes that a run needs of a disk and of the computer's own memory. (Those of a GPU's memory are
/// [`crate::train::TrainMemory`].)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunNeeds {
    /// A checkpoint.
    pub checkpoint: u64,
    /// Checkpoints that are there at the end.
    pub checkpoints: u64,
    /// The models beside the checkpoints: both generators, and their averages where there are any.
    pub models: u64,
    /// The sample sheets of the whole run, as files and in the event file: at most, since how far they are
    /// compressed depends on the pictures.
    pub sheets: u64,
    /// The curves.
    pub curves: u64,

    /// Memory of weights, moments and average. With a GPU that is what a checkpoint is written from.
    pub state: u64,
    /// Memory of what is computed beside them: activations and gradients on the processor; sheets and models
    /// with a GPU too.
    pub computing: u64,
    /// Memory that a rank of several takes beside it for what it sends to the others and gets from them.
    pub sent: u64,
    /// Memory of pictures that are kept for the next epoch, and of those that lie ready.
    pub pictures: u64,
    /// A GPU's memory that the making of sheets takes for a moment, beside that of the training.
    pub gpu_sheets: u64,
}

/// What is said of a run that computes pictures a second time unasked.
pub(super) const RECOMPUTES: &str = "memory would not do, so pictures are computed a second time for the gradients (`recompute`): the same numbers, more slowly";

impl RunNeeds {
    /// What each of `ranks` processes needs that train `config` on `dataset` together, on a GPU or on the processor.
    /// The disk is only rank 0's.
    ///
    /// # Errors
    /// [`Error::Config`] where the configuration cannot work.
    pub fn of(config: &RunConfig, dataset: &Dataset, on_gpu: bool, ranks: usize) -> Result<Self> {
        let step = config.step();
        let tensors = step.tensors()?;
        let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
            tensors.iter().filter(|(name, _)| wanted(name)).map(|(_, shape)| bytes(shape)).sum()
        };
        let all = sum(&|_| true);
        let by_player = Player::BOTH.map(|player| sum(&|name| player.trains(name)));
        let [discriminators, generators] = by_player;
        let trained = generators + discriminators;
        let averages = if config.ema > 0.0 { generators } else { 0 };
        let state = all + 2 * trained + averages;
        let models = generators + averages;

        let sheet =
            if on_gpu { 0 } else { translate::processor_memory(&step.generator, step.generator.img_size)? };
        let of_sheets = models + sheet;
        let mut of_turns = [0; 2];
        if !on_gpu {
            // The gradients of the batches before are kept beside those of the one that is computed.
            let of_sum = if config.accumulation > 1 { trained } else { 0 };
            for (of_turn, turn) in of_turns.iter_mut().zip(StepGraph::both(&step)?) {
                *of_turn = turn.memory::<f32>() + of_sum;
            }
        }
        let computing = of_turns.into_iter().fold(of_sheets, u64::max);
        let with_sent = if ranks == 1 {
            0
        } else if config.local_steps > 1 {
            // The state that is averaged is a copy, a group of tensors at a time is on its way.
            let largest = tensors.iter().map(|(_, shape)| bytes(shape)).max().unwrap_or_default();
            (if on_gpu { 0 } else { state }) + 3 * state.min(AVERAGED as u64 + largest)
        } else {
            // A player's gradients as they are sent and as they come.
            [0, 1].map(|i| of_turns[i] + 2 * by_player[i]).into_iter().fold(0, u64::max)
        };

        let gpu_sheets = if on_gpu {
            let need = translate::memory_need(&step.generator, None, config.img_size, config.img_size)?;
            (need.weights + need.activations) * if config.ema > 0.0 { 4 } else { 2 }
        } else {
            0
        };
        let options = config.loader_options(config.seed);
        Ok(Self {
            checkpoint: state,
            checkpoints: checkpoints(config),
            models,
            sheets: 2 * sheets(config) * Self::sheet(config, dataset),
            curves: entries(config) * ENTRY,
            state,
            computing,
            sent: with_sent.saturating_sub(computing),
            pictures: options.memory([0, 1].map(|i| dataset.train[i].pictures.len())),
            gpu_sheets,
        })
    }

    /// Bytes of a sheet of each direction.
    fn sheet(config: &RunConfig, dataset: &Dataset) -> u64 {
        let columns: usize = [0, 1]
            .map(|i| {
                let train = dataset.train[i].pictures.len().min(config.limit().unwrap_or(usize::MAX));
                train.min(SHOWN) + dataset.test[i].pictures.len().min(SHOWN)
            })
            .iter()
            .sum();
        (columns * row_count(config.ema > 0.0, config.g_cam) * config.img_size * config.img_size * 3) as u64
    }

    /// Bytes of a disk that the whole run takes, the one checkpoint included that is there while another is
    /// written in its place.
    pub fn disk(&self) -> u64 {
        self.least(self.checkpoints) + self.sheets + self.curves
    }

    /// Bytes of a disk without which so many checkpoints and the models cannot be kept.
    fn least(&self, checkpoints: u64) -> u64 {
        (checkpoints + 1) * self.checkpoint + self.models
    }

    /// Bytes of the computer's memory.
    pub fn memory(&self) -> u64 {
        PROGRAM + self.state + self.computing + self.sent + self.pictures
    }

    /// [`Self::of`] a run of `config` in `folder`, checked ([`Self::check`]). Where the memory would not do, the run is to
    /// compute pictures a second time, which the setting then says. Gives what there is to be said.
    ///
    /// # Errors
    /// Those of [`Self::of`] and [`Self::check`].
    pub fn settle(
        config: &mut RunConfig,
        dataset: &Dataset,
        on_gpu: bool,
        ranks: usize,
        (folder, free): (&Path, &Free),
    ) -> Result<(Self, Vec<String>)> {
        let needs = Self::of(config, dataset, on_gpu, ranks)?;
        match needs.check(config, folder, free) {
            Ok(notices) => Ok((needs, notices)),
            Err(Error::Memory { .. }) if !config.recompute => {
                config.recompute = true;
                let needs = Self::of(config, dataset, on_gpu, ranks)?;
                let mut notices = needs.check(config, folder, free)?;
                notices.push(RECOMPUTES.into());
                Ok((needs, notices))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that a run of `config` in `folder` fits into what is free. What is in the folder already need not
    /// find room again. Gives what is to be said of a run that may not come to its end.
    ///
    /// # Errors
    /// [`Error::DiskSpace`] where the checkpoints and models cannot be kept, [`Error::Memory`] where what is
    /// computed has no room.
    pub fn check(&self, config: &RunConfig, folder: &Path, free: &Free) -> Result<Vec<String>> {
        let mut notices = vec![];
        let there = |names: &[&str]| names.iter().map(|name| size_of_all(&folder.join(name))).sum::<u64>();
        if let Some(free) = free.disk {
            let least =
                self.least(config.keep.min(usize::try_from(self.checkpoints).unwrap_or(usize::MAX)) as u64);
            // What is there is replaced, each by another one beside it.
            let least = least.saturating_sub(there(&["checkpoints", "models"])).max(self.checkpoint);
            if least > free {
                return Err(Error::DiskSpace { path: folder.into(), need: least, free });
            }
            let whole = self.disk().saturating_sub(there(&[""])).max(least);
            if whole > free {
                notices.push(format!(
                    "the whole run may take {} more of the disk of {}, and {} are free: make room while it runs, or give larger `save_freq`, `print_freq` or `keep_every`",
                    text::memory(whole),
                    folder.display(),
                    text::memory(free)
                ));
            }
        }
        if let Some(free) = free.memory {
            let least = self.state + self.computing + self.sent;
            if least > free {
                return Err(Error::Memory { need: least, free });
            }
            if self.memory() > free {
                notices.push(format!(
                    "the run takes about {} of this computer's memory, and {} are free: end other programs, or it may be ended by the system",
                    text::memory(self.memory()),
                    text::memory(free)
                ));
            }
        }
        Ok(notices)
    }
}

/// Bytes that are free; `None` where the system does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Free {
    /// On the disk of the run's folder.
    pub disk: Option<u64>,
    /// Of the computer's memory, with what it can put aside on a disk, or of the part that this program may have.
    pub memory: Option<u64>,
}

impl Free {
    /// What is free for a run in `folder`, which need not be there yet.
    pub fn now(folder: &Path) -> Self {
        Self::for_each_of(1, folder)
    }

    /// [`Self::now`] where so many ranks of this computer take as much memory each.
    pub fn for_each_of(neighbours: usize, folder: &Path) -> Self {
        Self { disk: free_disk(folder), memory: free_memory().map(|free| free / neighbours.max(1) as u64) }
    }
}

fn free_disk(folder: &Path) -> Option<u64> {
    let absolute = std::path::absolute(folder).ok()?;
    let there = absolute.ancestors().find(|folder| folder.is_dir())?;
    // Drives in the cloud may have no size at all.
    fs4::total_space(there).ok().filter(|&total| total > 0)?;
    fs4::available_space(there).ok()
}

fn free_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let free = system.available_memory() + system.free_swap();
    // A container or a scheduler may allow less. What it keeps of files can be given back, so it does not count.
    let allowed = system.cgroup_limits().map(|c| c.total_memory.saturating_sub(c.rss) + c.free_swap);
    (system.total_memory() > 0).then(|| allowed.map_or(free, |allowed| allowed.min(free)))
}

fn bytes(shape: &Shape) -> u64 {
    (shape.elements() * size_of::<f32>()) as u64
}

/// How many checkpoints are there at the end.
fn checkpoints(config: &RunConfig) -> u64 {
    // The last one is written whatever its number.
    let written = config.iterations().div_ceil(config.save_freq);
    let for_ever = (config.save_freq..=config.iterations())
        .step_by(usize::try_from(config.save_freq).unwrap_or(usize::MAX))
        .filter(|step| config.keep_every > 0 && step.is_multiple_of(config.keep_every));
    let last = written.min(config.keep as u64);
    last + (for_ever.count() as u64).min(written - last)
}

/// How many sheets are made of each direction.
fn sheets(config: &RunConfig) -> u64 {
    let early =
        EARLY_SHEETS.iter().filter(|&&s| s <= config.iterations() && !s.is_multiple_of(config.print_freq));
    config.iterations() / config.print_freq + early.count() as u64
}

/// How many entries the curves have.
fn entries(config: &RunConfig) -> u64 {
    let first = config.iterations().min(ALL_LOGGED);
    first + (config.iterations() - first) / config.log_freq
}

/// The bytes of a file, or of all files below a folder; what cannot be read counts nothing.
fn size_of_all(path: &Path) -> u64 {
    let mut paths: Vec<PathBuf> = vec![path.into()];
    let mut sum = 0;
    while let Some(path) = paths.pop() {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            paths.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else {
            sum += metadata.len();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> RunConfig {
        RunConfig::layered(None, &[RunConfig::read(text).unwrap()]).unwrap()
    }

    #[test]
    fn what_is_written_is_counted() {
        let count = |text: &str| {
            let config = config(text);
            (checkpoints(&config), sheets(&config), entries(&config))
        };
        assert_eq!(count("iteration = 1"), (1, 1, 1));
        // The official length: three last ones and ten for ever, less the one that is both.
        assert_eq!(count("iteration = 1000000"), (13, 1006, 1000 + 99_900));
        assert_eq!(count("iteration = 2500\nkeep = 2\nprint_freq = 50\nlog_freq = 1"), (2, 52, 2500));
        assert_eq!(count("iteration = 10\nsave_freq = 3\nkeep = 9\nkeep_every = 3"), (4, 2, 10));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = config("iteration = 10\nsave_freq = 1\nkeep = 2\nkeep_every = 0");
        let needs = RunNeeds {
            checkpoint: 100,
            checkpoints: 2,
            models: 10,
            sheets: 40,
            curves: 5,
            state: 100,
            computing: 200,
            sent: 100,
            pictures: 50,
            gpu_sheets: 0,
        };
        let check = |disk, memory| {
            needs.check(&config, folder.path(), &Free { disk: Some(disk), memory: Some(memory) })
        };
        let enough = 1 << 30;
        assert_eq!(check(enough, enough).unwrap(), [""; 0]);
        match check(309, enough).unwrap_err() {
            Error::DiskSpace { need: 310, free: 309, path } => assert_eq!(path, folder.path()),
            other => panic!("{other}"),
        }
        assert!(matches!(check(enough, 399), Err(Error::Memory { need: 400, free: 399 })));
        // What may not fit in the end is only said.
        let said = check(354, enough).unwrap();
        assert!(said.len() == 1 && said[0].contains("the whole run"), "{said:?}");
        let said = check(enough, 500).unwrap();
        assert!(said.len() == 1 && said[0].contains("computer's memory"), "{said:?}");
        // What is there is replaced.
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        std::fs::write(folder.path().join("checkpoints/a"), [0; 205]).unwrap();
        assert!(check(105, enough).unwrap()[0].contains("the whole run"));
        assert!(check(104, enough).is_err());
        // Where the system says nothing, nothing is said.
        assert_eq!(needs.check(&config, folder.path(), &Free::default()).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_free_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let free = Free::now(&folder.path().join("not/there/yet"));
        assert!(free.disk.is_some() && free.memory.is_some_and(|bytes| bytes > 1 << 20), "{free:?}");
    }
}
