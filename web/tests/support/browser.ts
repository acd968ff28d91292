import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, firefox } from "@playwright/test";

export interface LaunchOptions {
  /** Whether it has a WebGPU adapter to give; `true` if left out. */
  webgpu?: boolean;
  /** What Chromium is started with beside the usual. */
  arguments?: string[];
  /** What Firefox is set to beside the usual. */
  preferences?: Record<string, string | number | boolean>;
  viewport?: { width: number; height: number };
}

const ARGUMENTS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

/** Real WebGPU on a machine without a GPU: Chromium's own software adapter. */
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** Firefox takes the system's Vulkan driver, Mesa's lavapipe on a machine without a GPU. */
const PREFERENCES = {
  "dom.webgpu.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
};

const profiles = new WeakMap<BrowserContext, string>();

/** Starts a browser with a profile of its own. `name` is that of the project: see the configurations. */
export async function launch(name: string, options: LaunchOptions = {}): Promise<BrowserContext> {
  const { webgpu = true, viewport } = options;
  const profile = mkdtempSync(join(tmpdir(), "ugatit-web-"));
  const context =
    name === "firefox"
      ? await firefox.launchPersistentContext(profile, {
          // Firefox as everybody has it, driven by WebDriver BiDi, not Playwright's own build.
          channel: "moz-firefox",
          executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
          headless: true,
          firefoxUserPrefs: { ...(webgpu ? PREFERENCES : {}), ...options.preferences },
          acceptDownloads: true,
          viewport,
        })
      : await chromium.launchPersistentContext(profile, {
          headless: false,
          executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
          args: [...ARGUMENTS, ...(webgpu ? WEBGPU : []), ...(options.arguments ?? [])],
          ignoreDefaultArgs: ["--disable-gpu", "--enable-unsafe-swiftshader"],
          acceptDownloads: true,
          viewport,
        });
  profiles.set(context, profile);
  return context;
}

/** Ends a browser and removes what it has written. */
export async function end(context: BrowserContext): Promise<void> {
  await context.close();
  const profile = profiles.get(context);
  // Its processes still write for a moment.
  if (profile) rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
}
