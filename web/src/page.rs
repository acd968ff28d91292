//! What is asked of the page, or of the worker.

use js_sys::{Object, Promise, Reflect, global};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

/// Whether the browser knows WebGPU at all.
pub(crate) fn has_webgpu() -> bool {
    let navigator = Reflect::get(&global(), &"navigator".into());
    navigator.and_then(|n| Reflect::get(&n, &"gpu".into())).is_ok_and(|gpu| gpu.is_object())
}

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the page, or the worker, began. They only go forward.
    #[wasm_bindgen(js_namespace = performance)]
    pub(crate) fn now() -> f64;
}

/// Lets the page handle its events, and the worker its messages.
///
/// A message to oneself is a task of the event loop, as a timer is, without a timer's four
/// milliseconds.
pub(crate) async fn pause() {
    let Ok(channel) = MessageChannel::new() else { return };
    let mut begin = |resolve: js_sys::Function, _| {
        channel.port1().set_onmessage(Some(&resolve));
        if channel.port2().post_message(&JsValue::NULL).is_err() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    };
    let _ = JsFuture::from(Promise::new(&mut begin)).await;
    channel.port1().close();
}

/// Sets a property of a plain object.
pub(crate) fn set(object: &Object, key: &str, value: impl Into<JsValue>) {
    // A plain object takes any property.
    let _ = Reflect::set(object, &key.into(), &value.into());
}
