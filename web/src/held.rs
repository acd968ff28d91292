//! What one call at a time may use.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Promise;
use ugatit::Result;
use ugatit::translate::{Tiles, Translator};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

use crate::error::{busy, explained, thrown};

/// Something on a device that can be lost.
pub(crate) trait OnDevice {
    /// Errs where the device is lost or has reported an error.
    fn check(&self) -> Result<()>;
}

impl OnDevice for Translator {
    fn check(&self) -> Result<()> {
        Self::check(self)
    }
}

impl OnDevice for Tiles {
    fn check(&self) -> Result<()> {
        Self::check(self)
    }
}

/// A value that calls take turns with; empty while one has it. It lives until the last call ends,
/// also where JavaScript frees its owner before.
pub(crate) struct Held<T>(Rc<Cell<Option<T>>>);

impl<T: OnDevice + 'static> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Rc::new(Cell::new(Some(value))))
    }

    /// What `call`, which waits for nothing, makes of the value.
    pub(crate) fn now<R>(&self, call: impl FnOnce(&mut T) -> Result<R>) -> std::result::Result<R, JsValue> {
        let mut value = self.0.take().ok_or_else(busy)?;
        let result = call(&mut value);
        self.0.set(Some(value));
        result.map_err(|error| thrown(&error))
    }

    /// The promise of what `call` makes of the value.
    pub(crate) fn call<R: Into<JsValue>>(
        &self,
        call: impl AsyncFnOnce(&mut T) -> Result<R> + 'static,
    ) -> Promise {
        let held = self.0.clone();
        future_to_promise(async move {
            let mut value = held.take().ok_or_else(busy)?;
            // A device that was lost before is told before the hook is called.
            let result = match value.check() {
                Ok(()) => call(&mut value).await,
                Err(error) => Err(error),
            };
            let result = explained(result, || value.check()).await;
            held.set(Some(value));
            result.map(Into::into).map_err(|error| thrown(&error))
        })
    }
}
