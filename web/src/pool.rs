//! The threads of the module with shared memory: workers of the package, each with an instance of the
//! module on the same memory.
//!
//! The thread that asks is one of the pool. So no work waits for a worker that is still starting, or
//! that could not start: whoever is there does it.

use std::sync::{Mutex, OnceLock, PoisonError};

use js_sys::Error as JsError;
use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// It ends with the module.
static POOL: OnceLock<ThreadPool> = OnceLock::new();
/// The threads that no worker runs yet.
static WAITING: Mutex<Vec<ThreadBuilder>> = Mutex::new(vec![]);

/// Makes the calling thread the first of a pool of `threads`. Each of the others is to be run by a
/// worker, with [`run_thread`].
#[wasm_bindgen(js_name = startPool)]
pub fn start_pool(threads: usize) -> Result<(), JsValue> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .spawn_handler(|thread| {
            WAITING.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
            Ok(())
        })
        .build()
        .map_err(|error| JsValue::from(JsError::new(&error.to_string())))?;
    // Who starts a second one has the first: it is the thread's own already.
    let _ = POOL.set(pool);
    Ok(())
}

/// Is one of the pool's threads, for as long as the worker lives. Returns at once where all are taken.
#[wasm_bindgen(js_name = runThread)]
pub fn run_thread() {
    let thread = WAITING.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(thread) = thread {
        thread.run();
    }
}
