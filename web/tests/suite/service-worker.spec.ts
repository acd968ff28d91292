import type { LoadOptions } from "ugatit-web";
import { expect, openSite, test } from "../support/test.ts";

interface Answer {
  code?: string;
  message?: string;
  backend?: string;
  worst?: number;
}

const CASES: [build: string, options: LoadOptions][] = [
  ["index", { worker: false, backend: "wasm" }],
  ["inline", { worker: false, backend: "wasm" }],
  ["index", { worker: false, backend: "webgpu" }],
  ["index", {}],
];

for (const [build, options] of CASES) {
  test(`a service worker translates by itself: ${build}, ${JSON.stringify(options)}`, async ({
    page,
    server,
    browserName,
  }) => {
    test.skip(browserName === "firefox", "Firefox has no service workers that are modules");
    await openSite(page, server);
    const seen = await page.evaluate(
      async (order) => {
        const registration = await navigator.serviceWorker.register("/service-worker.js", {
          type: "module",
        });
        await navigator.serviceWorker.ready;
        const { port1, port2 } = new MessageChannel();
        const answered = new Promise<Record<string, unknown>>((resolve) => {
          port1.onmessage = ({ data }) => resolve(data);
        });
        registration.active!.postMessage(order, [port2]);
        const { blob, ...answer } = await answered;
        await registration.unregister();
        if (!blob) return answer;
        const worst = await difference(
          await createImageBitmap(blob as Blob),
          "/out/native/face-1_A2B.png",
        );
        return { ...answer, worst };
      },
      {
        build,
        model: "/models/A2B.safetensors",
        picture: "/pictures/faces/toon-head/face-1.png",
        options,
      },
    );
    const answer = seen as Answer;
    if (options.worker === false) {
      expect(answer).toEqual({ backend: options.backend, worst: expect.any(Number) });
      expect(answer.worst).toBeLessThanOrEqual(2);
    } else {
      // There are no workers within one, and the message says what to do.
      expect(answer.code).toBe("worker-failed");
      expect(answer.message).toContain("worker: false");
    }
  });
}
