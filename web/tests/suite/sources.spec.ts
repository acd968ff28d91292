import { SHIPPED } from "../support/models.ts";
import { serve } from "../support/server.ts";
import { expect, openSite, test } from "../support/test.ts";

test("every kind of source gives the same picture, and stays as it was", async ({ site }) => {
  const differences = await site.evaluate(async () => {
    const address = "/pictures/faces/toon-head/face-1.png";
    const blob = await (await fetch(address)).blob();
    const bitmap = await createImageBitmap(blob);
    const image = new Image();
    image.src = address;
    const canvas = document.createElement("canvas");
    const offscreen = new OffscreenCanvas(bitmap.width, bitmap.height);
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d")!.drawImage(bitmap, 0, 0);
    offscreen.getContext("2d")!.drawImage(bitmap, 0, 0);
    const frame = new VideoFrame(bitmap, { timestamp: 0 });
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const svgImage = document.createElementNS("http://www.w3.org/2000/svg", "image");
    svgImage.setAttribute("href", address);
    document.body.append(svg);
    svg.append(svgImage);
    await new Promise((loaded) => svgImage.addEventListener("load", loaded));
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = canvas.captureStream(10);
    const again = setInterval(() => canvas.getContext("2d")!.drawImage(bitmap, 0, 0), 50);
    await video.play();
    while (video.readyState < 2) await sleep(20);

    const sources = {
      address,
      url: new URL(address, location.href),
      blob,
      file: new File([blob], "face-1.png", { type: blob.type }),
      image,
      svgImage,
      bitmap,
      canvas,
      offscreen,
      imageData: await pixelsOf(blob),
      frame,
      video,
    };
    const translator = await load({ backend: "wasm" });
    const expected = await translator.translate(bitmap);
    const differences: Record<string, number> = {};
    for (const [name, source] of Object.entries(sources)) {
      const result = await translator.translate(source);
      differences[name] = await difference(result.bitmap, expected.bitmap);
    }
    clearInterval(again);
    // Not closed, not neutered.
    differences.bitmapWidth = bitmap.width;
    differences.frameWidth = frame.codedWidth;
    translator.dispose();
    frame.close();
    return differences;
  });
  const { video, frame, ...others } = differences;
  for (const [name, value] of Object.entries(others)) {
    expect.soft(value, name).toBe(name.endsWith("Width") ? 128 : 0);
  }
  // Videos have their colours in another form.
  expect(video).toBeLessThanOrEqual(24);
  expect(frame).toBeLessThanOrEqual(8);
});

test("drawings (SVG) as files and elements", async ({ site }) => {
  const sizes = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const blob = await (await fetch("/icon.svg")).blob();
    const image = new Image();
    image.src = "/icon.svg";
    const results = [];
    for (const source of [blob, "/icon.svg", image]) {
      results.push((await translator.translate(source)).width);
    }
    return results;
  });
  expect(sizes).toEqual(Array(3).fill(SHIPPED.size));
});

test("photos are turned upright (EXIF)", async ({ site }) => {
  const seen = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const flat = await createImageBitmap(
      await (await fetch("/pictures/demo/landscape.jpg")).blob(),
    );
    const upright = new OffscreenCanvas(flat.height, flat.width);
    const context = upright.getContext("2d")!;
    context.rotate(Math.PI / 2);
    context.drawImage(flat, 0, -flat.height);
    const expected = await translator.translate(upright);
    const image = new Image();
    image.src = "/out/turned.jpg";
    const results = [];
    for (const source of [
      "/out/turned.jpg",
      await (await fetch("/out/turned.jpg")).blob(),
      image,
    ]) {
      const { bitmap } = await translator.translate(source);
      results.push([bitmap.width < bitmap.height, await difference(bitmap, expected.bitmap)]);
    }
    return results;
  });
  expect(seen).toEqual([
    [true, 0],
    [true, 0],
    [true, 0],
  ]);
});

test("a source is taken as it is at the moment of the call", async ({ site }) => {
  const worst = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const bitmap = await createImageBitmap(
      await (await fetch("/pictures/faces/toon-head/face-1.png")).blob(),
    );
    const expected = await translator.translate(bitmap);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [128, 128];
    const context = canvas.getContext("2d")!;
    context.drawImage(bitmap, 0, 0);
    const frame = new VideoFrame(bitmap, { timestamp: 0 });
    const calls = [
      translator.translate(canvas),
      translator.translate(frame),
      translator.translate(bitmap),
    ];
    context.fillRect(0, 0, 128, 128);
    frame.close();
    bitmap.close();
    const results = await Promise.all(calls);
    return Promise.all(results.map((result) => difference(result.bitmap, expected.bitmap)));
  });
  expect(Math.max(...worst)).toBeLessThanOrEqual(8);
});

test("what cannot be read is refused with the reason", async ({ site }) => {
  const codes = await site.evaluate(async () => {
    const translator = await load({ backend: "wasm" });
    const sources: Record<string, unknown> = {
      number: 42,
      nothing: null,
      object: {},
      noPicture: new Blob(["this is text"], { type: "image/png" }),
      missing: "/no-such-picture.png",
      noAddress: new Image(),
      noFrame: document.createElement("video"),
    };
    const codes: Record<string, string> = {};
    for (const [name, source] of Object.entries(sources)) {
      const { code, message } = await failure(translator.translate(source as Blob));
      codes[name] = message.length > 30 ? code : message;
    }
    codes.after = (await failure(translator.translate("/icon.svg"))).code;
    return codes;
  });
  expect(codes).toEqual({
    number: "unsupported-source",
    nothing: "unsupported-source",
    object: "unsupported-source",
    noPicture: "picture-unreadable",
    missing: "picture-unreadable",
    noAddress: "picture-unreadable",
    noFrame: "picture-unreadable",
    after: "none",
  });
});

test("pictures of other origins need their permission", async ({ page }) => {
  const policy = ["script-src 'self' 'wasm-unsafe-eval'"];
  const [here, there] = [await serve([], policy), await serve([], policy)];
  await openSite(page, here);
  const seen = await page.evaluate(async (origin) => {
    const element = (address: string, cors: boolean) => {
      const image = new Image();
      if (cors) image.crossOrigin = "anonymous";
      image.src = origin + address;
      return image;
    };
    const seen: Record<string, string> = {};
    for (const worker of [true, false]) {
      const translator = await load({ backend: "wasm", worker });
      const tainted = document.createElement("canvas");
      const secret = element("/pictures/faces/toon-head/face-1.png", false);
      await secret.decode();
      tainted.getContext("2d")!.drawImage(secret, 0, 0);
      const open = "/pictures/faces/toon-head/face-1.png?open";
      const codes = [
        await failure(translator.translate(secret)),
        await failure(translator.translate(tainted)),
        await failure(translator.translate(origin + "/pictures/faces/toon-head/face-1.png")),
        await failure(translator.translate(element(open, true))),
        await failure(translator.translate(origin + open)),
      ];
      seen[`worker ${worker}`] = codes.map(({ code }) => code).join(" ");
      seen.message = codes[0]!.message;
    }
    return seen;
  }, there.origin);
  const expected = "picture-unreadable picture-unreadable picture-unreadable none none";
  expect(seen["worker true"]).toBe(expected);
  expect(seen["worker false"]).toBe(expected);
  expect(seen.message).toContain("Access-Control-Allow-Origin");
  await Promise.all([here.close(), there.close()]);
});
