//! A panic: told to the package, which gives the module up and rejects what waits for it.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    static HANDLER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        HANDLER.with(|handler| {
            if let Ok(handler) = handler.try_borrow()
                && let Some(handler) = handler.as_ref()
            {
                // The module is lost either way.
                let _ = handler.call1(&JsValue::NULL, &text.into());
            }
        });
    }));
}

/// Sets who is told the text of a panic. The module traps right after it and must not be used
/// again; a promise that was waiting for it never settles.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(#[wasm_bindgen(unchecked_param_type = "(message: string) => void")] handler: Function) {
    HANDLER.with(|held| *held.borrow_mut() = Some(handler));
}
