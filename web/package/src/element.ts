// `<ugatit-image src="cat.jpg" model="A2B.safetensors" compare>`: importing this module defines it.
// Where there is no DOM (on a server), importing it does nothing.

import { UgatitImage } from "./element/image.js";

if (globalThis.customElements && !customElements.get("ugatit-image")) {
  customElements.define("ugatit-image", UgatitImage);
}

declare global {
  interface HTMLElementTagNameMap {
    "ugatit-image": UgatitImage;
  }
}

export { UgatitImage };
export type { Strings } from "./element/strings.js";
