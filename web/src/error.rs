//! Errors as JavaScript sees them: an `Error` with a `code`.

use js_sys::Error as JsError;
use ugatit::{Error, Result};
use wasm_bindgen::JsValue;

use crate::page;

/// How long after a failed call a device may take to say that it is lost, milliseconds.
const LOSS_MS: f64 = 2000.0;

/// A call's result; `check` asks the device. On one that is lost calls fail a moment before it says
/// that it is lost.
pub(crate) async fn explained<T>(result: Result<T>, check: impl Fn() -> Result<()>) -> Result<T> {
    let since = page::now();
    while matches!(result, Err(Error::Gpu { .. })) && page::now() - since < LOSS_MS {
        page::pause().await;
        check()?;
    }
    result
}

/// What a promise is rejected with.
pub(crate) fn thrown(error: &Error) -> JsValue {
    let (code, text) = code_and_text(error);
    coded(code, &text)
}

/// What opening a model of so many bytes is rejected with: a GPU that cannot hold it can hold a smaller one.
pub(crate) fn not_opened(error: &Error, name: &str, bytes: usize) -> JsValue {
    let code = match error {
        Error::OutOfMemory { .. } => "out-of-memory",
        Error::GpuLimit { .. } => "too-large",
        _ => return thrown(error),
    };
    let text = format!(
        "The GPU cannot hold the weights of {name}, {} MB: {error}. Close other tabs, use the backend \"wasm\", or make the full model smaller with `ugatit import --quantize 8` or 4.",
        bytes / 1_000_000
    );
    coded(code, &text)
}

/// An `Error` of that code.
fn coded(code: &str, text: &str) -> JsValue {
    let error = JsError::new(text);
    page::set(&error, "code", code);
    error.into()
}

/// The library speaks to people at a terminal; here are the same errors for a page.
fn code_and_text(error: &Error) -> (&'static str, String) {
    match error {
        Error::Aborted => ("aborted", "The translation was cancelled.".into()),
        Error::NoAdapter { .. } if !page::has_webgpu() => (
            "no-webgpu",
            "This browser has no WebGPU. Use a current Chrome, Edge or Safari over https (or localhost), or the backend \"wasm\".".into(),
        ),
        Error::NoAdapter { .. } | Error::OnlySoftware { .. } | Error::AdapterNotFound { .. } => (
            "no-adapter",
            "This browser has WebGPU but offers no adapter. Switch hardware acceleration on in its settings, update the graphics driver, or use the backend \"wasm\".".into(),
        ),
        Error::DeviceLost { adapter, problem } => (
            "device-lost",
            format!("The GPU {adapter} was lost ({problem}). Translate again: a new device is opened."),
        ),
        Error::OutOfMemory { adapter, problem } => (
            "out-of-memory",
            format!("The GPU {adapter} has no memory left for this ({problem}). Translate at a smaller size, or in smaller tiles."),
        ),
        Error::GpuLimit { .. } => {
            ("too-large", format!("{error}. Translate at a smaller size, or in smaller tiles."))
        }
        Error::ModelFile { .. }
        | Error::NewerVersion { .. }
        | Error::MissingTensor { .. }
        | Error::TensorShape { .. }
        | Error::NonFiniteWeights { .. }
        | Error::Direction { .. } => ("model-invalid", error.to_string()),
        Error::Config(text) | Error::Shape(text) => ("size-unsupported", text.clone()),
        _ => ("internal", error.to_string()),
    }
}

/// What a second call at a time is answered.
pub(crate) fn busy() -> JsValue {
    coded("internal", "This session is translating already; wait for it first.")
}
