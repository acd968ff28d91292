import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test as base } from "@playwright/test";

/** WebKitGTK's driver, which starts the small browser that comes with WebKitGTK. */
const DRIVER = process.env.WEBKIT_DRIVER ?? "/usr/bin/WebKitWebDriver";

/** The longest that a script in a page may take, milliseconds. */
const PATIENCE = 120_000;
/** The longest that a browser may take to start, and to end. It takes a second or two. */
const START = 30_000;
const END = 10_000;
/** How often a browser that does not start is tried. */
const TRIES = 3;

/** A window of WebKit, driven by plain WebDriver: Playwright drives only its own build of WebKit. */
export class Session {
  #address: string;

  private constructor(address: string) {
    this.#address = address;
  }

  static async start(driver: string): Promise<Session> {
    const wanted = { capabilities: {} };
    const { sessionId } = (await command("POST", `${driver}/session`, wanted, START)) as {
      sessionId: string;
    };
    const session = new Session(`${driver}/session/${sessionId}`);
    await session.#post("timeouts", { script: PATIENCE, pageLoad: PATIENCE });
    return session;
  }

  async open(url: string): Promise<void> {
    await this.#post("url", { url });
  }

  async reload(): Promise<void> {
    await this.#post("refresh", {});
  }

  /** What a function of the page gives, or its promise. */
  async evaluate<T, A = undefined>(run: (given: A) => T | Promise<T>, given?: A): Promise<T> {
    const script = `const [given, done] = arguments;
      (async () => (${run.toString()})(given))().then(
        (value) => done({ value }),
        (error) => done({ error: String(error) + "\\n" + (error && error.stack) }),
      );`;
    const args = [given ?? null];
    const answer = (await this.#post("execute/async", { script, args })) as {
      value: T;
      error?: string;
    };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value;
  }

  /** Waits until a function of the page gives something true. */
  async until(what: string, run: () => unknown, patience = 60_000): Promise<void> {
    const end = Date.now() + patience;
    while (!(await this.evaluate(run))) {
      if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
      await new Promise((next) => setTimeout(next, 100));
    }
  }

  /** Clicks in the middle of what a selector finds, as a person does. */
  async click(selector: string): Promise<void> {
    const found = (await this.#post("element", { using: "css selector", value: selector })) as {
      [id: string]: string;
    };
    await this.#post(`element/${Object.values(found)[0]}/click`, {});
  }

  /** What the window shows, as PNG. */
  async screenshot(): Promise<Buffer> {
    return Buffer.from((await command("GET", `${this.#address}/screenshot`)) as string, "base64");
  }

  async end(): Promise<void> {
    await command("DELETE", this.#address, undefined, END);
  }

  #post(path: string, body: object): Promise<unknown> {
    return command("POST", `${this.#address}/${path}`, body);
  }
}

/** A call that is answered within `patience`: the driver waits for ever for a browser that crashed. */
async function command(
  method: string,
  url: string,
  body?: object,
  patience = PATIENCE + END,
): Promise<unknown> {
  const signal = AbortSignal.timeout(patience);
  const response = await fetch(url, { method, body: body && JSON.stringify(body), signal });
  const { value } = (await response.json()) as { value: unknown };
  if (response.ok) return value;
  const { error, message } = value as { error: string; message: string };
  throw new Error(`${method} ${url}: ${error}: ${message}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function startDriver(port: number): Promise<ChildProcess> {
  // It waits for ever for a reader of what it prints.
  const driver = spawn(DRIVER, [`--port=${port}`], { stdio: "ignore" });
  const failed = once(driver, "error").then(([error]) => Promise.reject(error as Error));
  const answers = async () => {
    for (let i = 0; ; i++) {
      try {
        return await command("GET", `http://127.0.0.1:${port}/status`);
      } catch (error) {
        if (i === 100) throw error;
        await new Promise((next) => setTimeout(next, 100));
      }
    }
  };
  await Promise.race([answers(), failed]);
  return driver;
}

/** A driver of its own with its browser; one that does not start is tried again. */
async function started(): Promise<{ driver: ChildProcess; session: Session }> {
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const driver = await startDriver(port);
    try {
      return { driver, session: await Session.start(`http://127.0.0.1:${port}`) };
    } catch (error) {
      driver.kill("SIGKILL");
      if (tries === TRIES) throw error;
    }
  }
}

export const test = base.extend<{ webkit: Session }>({
  // A session for each test: after a few pages pictures come out blank in an old one.
  webkit: async ({}, use) => {
    const { driver, session } = await started();
    await use(session);
    // What the test found counts, not how its browser ends.
    await session.end().catch(() => undefined);
    driver.kill();
  },
});

export { expect } from "@playwright/test";
