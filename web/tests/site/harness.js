// The package and a few helpers, as globals of the page; support/site.d.ts has their types.

import * as ugatit from "/package/index.js";

const A2B = "/models/A2B.safetensors";

async function pixelsOf(picture) {
  if (typeof picture === "string") picture = await (await fetch(picture)).blob();
  if (picture instanceof Blob) picture = await createImageBitmap(picture);
  const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, picture.width, picture.height);
}

async function difference(one, other) {
  const [a, b] = [await pixelsOf(one), await pixelsOf(other)];
  if (a.width !== b.width || a.height !== b.height) {
    throw new Error(`${a.width}x${a.height} is not ${b.width}x${b.height}`);
  }
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i])), 0);
}

function failure(promise) {
  return promise.then(
    () => ({ code: "none", message: "it did not fail", name: "" }),
    ({ code, message, name }) => ({ code, message, name }),
  );
}

const load = (options) => ugatit.Translator.load(A2B, { backend: "webgpu", ...options });

function order(what) {
  const channel = new BroadcastChannel("hooks");
  return new Promise((resolve) => {
    channel.onmessage = ({ data }) => {
      if (!("answer" in data)) return;
      channel.close();
      resolve(data.answer);
    };
    channel.postMessage({ order: what });
  });
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

Object.assign(window, { A2B, difference, failure, load, order, pixelsOf, sleep });
// The tests wait for this one.
Object.assign(window, { ugatit });
