//! How long something takes.

/// A clock that browsers have too, on a page and in a worker. It only goes forward.
#[derive(Debug)]
pub(crate) struct Clock {
    #[cfg(not(target_arch = "wasm32"))]
    started: std::time::Instant,
    #[cfg(target_arch = "wasm32")]
    started: f64,
}

#[cfg(not(target_arch = "wasm32"))]
impl Clock {
    pub(crate) fn now() -> Self {
        Self { started: std::time::Instant::now() }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen::prelude::wasm_bindgen]
extern "C" {
    /// Milliseconds. (`Date.now()` is set by the system, backwards too.)
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

#[cfg(target_arch = "wasm32")]
impl Clock {
    pub(crate) fn now() -> Self {
        Self { started: performance_now() }
    }

    pub(crate) fn seconds(&self) -> f64 {
        (performance_now() - self.started) / 1000.0
    }
}
