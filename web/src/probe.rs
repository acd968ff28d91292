//! What this browser can do.

use js_sys::Object;
use ugatit::gpu::adapters;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::page;

/// `{ webgpu, adapter, software, problem }`; see the package's `probe()`.
#[wasm_bindgen(
    unchecked_return_type = "Promise<{ webgpu: boolean; adapter: string | null; software: boolean; problem: string | null }>"
)]
pub async fn probe() -> Object {
    let adapter = adapters().await.into_iter().next();
    let problem = match (&adapter, page::has_webgpu()) {
        (Some(_), _) => JsValue::NULL,
        (None, true) => {
            "This browser has WebGPU but offers no adapter; hardware acceleration may be switched off.".into()
        }
        (None, false) => "This browser has no WebGPU, or the page is not served over https.".into(),
    };
    let (name, software) = adapter.map_or((None, false), |a| (Some(a.name), a.kind == "software"));
    let result = Object::new();
    for (key, value) in [
        ("webgpu", JsValue::from(name.is_some())),
        ("adapter", name.map_or(JsValue::NULL, JsValue::from)),
        ("software", software.into()),
        ("problem", problem),
    ] {
        page::set(&result, key, value);
    }
    result
}
