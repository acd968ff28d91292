//! What the library decides and does, as events of `tracing`, for whoever wants to see it: which adapter, which kernels,
//! what is cached and submitted. A page's module has none, so that it does not grow.

/// An event: a level of `tracing`, then what [`tracing::event!`] takes.
#[cfg(not(target_arch = "wasm32"))]
macro_rules! event {
    ($level:ident, $($what:tt)+) => {
        tracing::event!(tracing::Level::$level, $($what)+)
    };
}

#[cfg(target_arch = "wasm32")]
macro_rules! event {
    ($($what:tt)+) => {};
}

pub(crate) use event;
