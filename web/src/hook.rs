//! The package's callback as a watcher of the library.

use js_sys::Function;
use ugatit::translate::{Phase, Watcher};
use ugatit::{Error, Result};
use wasm_bindgen::JsValue;

use crate::page;

/// How long the calling thread may be kept before the page gets a turn, milliseconds.
const TURN: f64 = 8.0;

/// `(phase, done, total) => boolean`: told how far it is; anything but true stops it.
pub(crate) struct Hook {
    function: Function,
    since: f64,
}

impl Hook {
    pub(crate) fn new(function: Function) -> Self {
        Self { function, since: page::now() }
    }
}

impl Watcher for Hook {
    async fn report(&mut self, phase: Phase, done: usize, total: usize) -> Result<()> {
        let phase = match phase {
            Phase::Compile => "compile",
            Phase::Run => "run",
            Phase::Tile => "tile",
        };
        let [done, total] = [done, total].map(|n| JsValue::from(n as f64));
        let answer = self.function.call3(&JsValue::NULL, &phase.into(), &done, &total);
        if answer.is_ok_and(|go_on| go_on.as_bool() == Some(true)) {
            if page::now() - self.since >= TURN {
                page::pause().await;
                self.since = page::now();
            }
            Ok(())
        } else {
            Err(Error::Aborted)
        }
    }
}
