import "./without-gpu.js";
import "/package/worker.js";
