import "./processors.js";
import "/package/worker.js";
