import "./hooks.js";
import "/package/worker.js";
