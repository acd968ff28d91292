import "./refusals.js";
import "/package/worker.js";
