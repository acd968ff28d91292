// A module service worker, as browser extensions have them: translates what it is asked to, by itself.

import * as ugatit from "/package/index.js";
import * as inline from "/package/inline.js";

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("message", (event) => {
  const [port] = event.ports;
  event.waitUntil(
    answer(event.data).then(
      (answer) => port.postMessage(answer),
      ({ code, message }) => port.postMessage({ code, message }),
    ),
  );
});

async function answer({ build, model, picture, options }) {
  const { Translator } = build === "inline" ? inline : ugatit;
  const translator = await Translator.load(model, options);
  const translation = await translator.translate(picture);
  const blob = await translation.toBlob();
  const { backend } = translator.info;
  translator.dispose();
  return { blob, backend };
}
