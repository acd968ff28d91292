/** The demo page: one table, one picture, one network. */
import { Actions } from "./actions.ts";
import { mountCamera } from "./camera.ts";
import { mountCropBox } from "./crop-box.ts";
import { Engine } from "./engine.ts";
import { pageModels } from "./models.ts";
import { mountMeasure } from "./view-measure.ts";
import { mountOffline } from "./offline.ts";
import { mountOutput } from "./output.ts";
import { mountSources } from "./sources.ts";
import { Store } from "./state.ts";
import { mountCapability } from "./view-capability.ts";
import { mountDock } from "./view-dock.ts";
import { mountFaces } from "./view-faces.ts";
import { mountSettings } from "./view-settings.ts";
import { mountSheet } from "./view-sheet.ts";
import { mountStage } from "./view-stage.ts";

const store = new Store({
  view: "empty",
  direction: "A2B",
  picture: null,
  crop: null,
  result: null,
  follows: false,
  work: null,
  problem: null,
  size: "model",
  attention: false,
  opacity: 0.6,
  models: pageModels,
  backend: "auto",
  probe: null,
  live: false,
});
const actions = new Actions(store, new Engine());

mountSheet(store, actions);
mountStage(store);
mountDock(store, actions);
mountSettings(store, actions);
mountSources(store, actions);
mountFaces(store, actions);
mountCropBox(store, actions);
mountCamera(store, actions);
mountOutput(store, actions);
mountCapability(store, actions);
mountMeasure(actions);
mountOffline();
