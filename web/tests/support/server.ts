import { readFile } from "node:fs/promises";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { DIST, OUT, ROOT, TESTS } from "./paths.ts";

/** The strictest policy that the package works under. No cross-origin isolation either. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self' blob:",
  "img-src 'self' blob:",
  "media-src 'self' blob:",
  "style-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
];

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
  ".svg": "image/svg+xml",
};

/** What lies where. The first that fits is taken. */
const FOLDERS: [prefix: string, folder: string][] = [
  ["/package/", DIST],
  ["/models/", join(ROOT, "models")],
  ["/pictures/", join(ROOT, "docs/pictures")],
  ["/out/", OUT],
  ["/", join(TESTS, "site")],
];

export interface TestServer {
  origin: string;
  /** The paths that were asked for, in order. */
  requests: string[];
  close(): Promise<void>;
}

/** What makes a page cross-origin isolated, if every answer has them. */
export const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Serves the site of the tests; `folders` come before the others. */
export async function serve(
  folders: [string, string][] = [],
  policy = POLICY,
  more: Record<string, string> = {},
): Promise<TestServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    const headers = { "content-security-policy": policy.join("; "), ...more };
    void answer(request, response, [...folders, ...FOLDERS], headers);
  });
  const port = await listenAnew(server);
  return { origin: `http://localhost:${port}`, requests, close: () => close(server) };
}

/** The ports that this process has had. */
const had = new Set<number>();

/**
 * Listens at a port that no server of this process has had: the browser may still know an origin of before, with its
 * cache and its service worker, and would ask that instead of the new server.
 */
async function listenAnew(server: Server): Promise<number> {
  for (;;) {
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as AddressInfo;
    if (!had.has(port)) {
      had.add(port);
      return port;
    }
    await close(server);
  }
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((closed) => server.close(() => closed()));
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  folders: [string, string][],
  always: Record<string, string>,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const headers = { ...always, "cache-control": "no-store" };
  const path = url.pathname.endsWith("/") ? `${url.pathname}index.html` : url.pathname;
  const [prefix, folder] = folders.find(([prefix]) => path.startsWith(prefix)) ?? ["/", TESTS];
  const file = join(folder, normalize(decodeURIComponent(path.slice(prefix.length))));
  try {
    const body = await readFile(file);
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    // `?open` is a server that lets other origins read.
    const open = url.searchParams.has("open") ? { "access-control-allow-origin": "*" } : {};
    response.writeHead(200, {
      ...headers,
      ...open,
      "content-type": type,
      "content-length": body.length,
    });
    if (url.searchParams.has("slow")) await trickle(response, body);
    else response.end(body);
  } catch {
    response.writeHead(404, { ...headers, "content-type": "text/plain" }).end("not found");
  }
}

/** Sixteen pieces, a twentieth of a second apart. */
async function trickle(response: ServerResponse, body: Buffer): Promise<void> {
  const piece = Math.ceil(body.length / 16);
  for (let start = 0; start < body.length && !response.destroyed; start += piece) {
    response.write(body.subarray(start, start + piece));
    await new Promise((next) => setTimeout(next, 50));
  }
  response.end();
}
