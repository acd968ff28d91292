//! The one error type. Every message says what was wrong, where, and what to do about it.

use std::path::PathBuf;

use crate::shape::Shape;
use crate::text;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller stopped it.
    #[error("stopped, as asked")]
    Aborted,

    /// Tensor shapes that do not fit an operation. The text names both sides.
    #[error("shapes do not fit: {0}")]
    Shape(String),

    /// A tensor that a graph needs and that nobody gave.
    #[error("the graph needs a tensor `{name}` of shape {expected}, but none was given")]
    NotFed {
        /// The name of the input or parameter.
        name: String,
        /// Its shape.
        expected: Shape,
    },

    /// A network configuration that cannot work.
    #[error("{0}")]
    Config(String),

    /// A mistake of this library: what it has made itself does not fit together.
    #[error("{0}, which is a bug of this program; please report it")]
    Internal(String),

    /// A file or folder that could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A picture file that cannot be decoded, or that is refused.
    #[error("{path}: {problem}", path = path.display())]
    Picture {
        /// The picture file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A folder that does not hold the pictures of two domains.
    #[error("{path} is not a usable dataset: {problem}", path = path.display())]
    Dataset {
        /// The folder.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A result that cannot be written where it was asked for.
    #[error("cannot write {path}: {problem}", path = path.display())]
    Output {
        /// The file or folder asked for.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A result whose place is taken, where nothing is to be replaced.
    #[error("cannot write {path}: it exists already", path = path.display())]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },

    /// A model or checkpoint file that is damaged or of another kind.
    #[error("{path} is not a usable model: {problem}", path = path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A model or checkpoint that a newer version of this program wrote.
    #[error("{path} has format version {found}, and this program reads up to {read}; update ugatit", path = path.display())]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The newest version that is read.
        read: u32,
    },

    /// A file of features that is damaged or of another kind.
    #[error("{path} is not a usable file of features: {problem}", path = path.display())]
    Features {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A model file that lacks a tensor.
    #[error("{path} has no tensor `{key}` (expected shape {expected})", path = path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The official `state_dict` key.
        key: String,
        /// The shape that the architecture asks for.
        expected: Shape,
    },

    /// A tensor whose shape is not what the architecture asks for.
    #[error("{path}: tensor `{key}` has shape {found}, but the architecture needs {expected}", path = path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The official `state_dict` key.
        key: String,
        /// The shape that the architecture asks for.
        expected: Shape,
        /// The shape in the file.
        found: Shape,
    },

    /// A tensor that holds NaN or infinite values.
    #[error("{path}: tensor `{key}` holds {count} values that are NaN or infinite; the training run that wrote it diverged, use an earlier checkpoint", path = path.display())]
    NonFiniteWeights {
        /// The file.
        path: PathBuf,
        /// The official `state_dict` key.
        key: String,
        /// How many elements are not finite.
        count: usize,
    },

    /// A checkpoint whose pickle would call something when PyTorch unpickles it.
    #[error("{path} holds the Python object `{object}`, which loading it in Python could run; it was not run. Save the state_dicts only, or fetch the checkpoint from a source that you trust", path = path.display())]
    UnsafeCheckpoint {
        /// The file.
        path: PathBuf,
        /// The Python object, module first.
        object: String,
    },

    /// A direction that the model does not have.
    #[error("{path} translates {available} only, not {asked}; choose a model of that direction", path = path.display())]
    Direction {
        /// The model file.
        path: PathBuf,
        /// The direction asked for.
        asked: String,
        /// The directions in the file.
        available: String,
    },

    /// A loss or gradient that is NaN or infinite. Nothing was moved by it.
    #[error(
        "training has diverged: {what} is not finite at step {step}; go on from the last checkpoint with a lower learning rate, or look for broken pictures"
    )]
    NonFinite {
        /// The iteration, the first being 1.
        step: u64,
        /// The term of the loss, or the tensor whose gradient it is.
        what: String,
    },

    /// A run that was trained on another dataset.
    #[error(
        "the run in {run} was trained on {before}, and {now} is given; begin another run in a new folder, unless this one is to go on with the other pictures", run = run.display()
    )]
    OtherDataset {
        /// The run's folder.
        run: PathBuf,
        /// Its dataset, with how many pictures it has.
        before: String,
        /// The dataset given.
        now: String,
    },

    /// Several processes that cannot train one run together.
    #[error("the ranks cannot go on together: {0}")]
    Ranks(String),

    /// A disk without room for what a run has to keep.
    #[error(
        "the run needs {need} for its checkpoints and models, and the disk of {path} has {free} free; make room there, choose another disk, or keep fewer checkpoints",
        need = text::memory(*need), path = path.display(), free = text::memory(*free)
    )]
    DiskSpace {
        /// The run's folder.
        path: PathBuf,
        /// Bytes that the run needs at least, beside those that it has already.
        need: u64,
        /// Bytes that are free.
        free: u64,
    },

    /// A computer without memory for what a run computes.
    #[error(
        "the training needs {need} of this computer's memory, and {free} are free; use a smaller `img_size`, `ch` or `batch_size`, or end other programs",
        need = text::memory(*need), free = text::memory(*free)
    )]
    Memory {
        /// Bytes that the training needs at least.
        need: u64,
        /// Bytes that are free.
        free: u64,
    },

    /// No GPU adapter at all.
    #[error("no GPU adapter found: {advice}")]
    NoAdapter {
        /// What to install or which option to use.
        advice: String,
    },

    /// No GPU, only drivers that run shaders on the CPU, and those were not allowed.
    #[error("no GPU found, only a software adapter ({available}): {advice}")]
    OnlySoftware {
        /// The names of the software adapters.
        available: String,
        /// What to install or which option to use.
        advice: String,
    },

    /// No adapter of the number, place or name asked for.
    #[error(
        "no GPU adapter has {asked:?} as its number or PCI bus id, or in its name; there are: {available}"
    )]
    AdapterNotFound {
        /// What was asked for.
        asked: String,
        /// Numbers, names and places of those there are.
        available: String,
    },

    /// A limit of the adapter that the work would exceed.
    #[error("the GPU {adapter} cannot do this: {problem}")]
    GpuLimit {
        /// The adapter's name.
        adapter: String,
        /// Which limit, what was needed, and what to do.
        problem: String,
    },

    /// The GPU has no memory left.
    #[error(
        "the GPU {adapter} is out of memory ({problem}); use a smaller picture size, in training also a smaller batch, or the processor"
    )]
    OutOfMemory {
        /// The adapter's name.
        adapter: String,
        /// What the driver said.
        problem: String,
    },

    /// The GPU was lost: reset by the system, unplugged, or its driver crashed.
    #[error("the GPU {adapter} was lost ({problem}); open it again")]
    DeviceLost {
        /// The adapter's name.
        adapter: String,
        /// What the driver said.
        problem: String,
    },

    /// Any other error from the GPU: a bug of this program or of the driver.
    #[error(
        "the GPU {adapter} reported an error, which is a bug of this program or of the driver: {problem}"
    )]
    Gpu {
        /// The adapter's name.
        adapter: String,
        /// What was reported.
        problem: String,
    },
}

impl Error {
    /// What is wrong and what to do, without the name of the file, for those who name it themselves.
    pub fn problem(&self) -> String {
        match self {
            Self::Picture { problem, .. }
            | Self::Dataset { problem, .. }
            | Self::Output { problem, .. }
            | Self::ModelFile { problem, .. }
            | Self::Features { problem, .. } => problem.clone(),
            Self::Io { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    }

    /// An [`Error::Io`] for `path`; made to be used with `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
