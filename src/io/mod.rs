//! Files: pictures, models, official checkpoints.
