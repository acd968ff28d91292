import { Translator } from "../translator.js";
import type { LoadOptions, Progress } from "../types.js";

/** How long a translator outlives its last element, so that a page may rearrange itself. */
const LINGER_MS = 2000;

type Listener = (progress: Progress) => void;

interface Entry {
  translator: Promise<Translator>;
  users: Set<Listener>;
  end: AbortController;
  timer?: ReturnType<typeof setTimeout>;
}

const entries = new Map<string, Entry>();

/** The use that one element makes of a translator which others of the same model share. */
export interface Use {
  translator: Promise<Translator>;
  /** To be called once, when it is no longer needed. */
  release(): void;
}

/** The translator of a model, loaded with the first use of it. */
export function share(model: string, options: LoadOptions, onProgress: Listener): Use {
  const key = JSON.stringify([model, document.baseURI, options.direction ?? ""]);
  let entry = entries.get(key);
  if (!entry) {
    const users = new Set<Listener>();
    const end = new AbortController();
    const translator = Translator.load(model, {
      ...options,
      signal: end.signal,
      onProgress: (progress) => users.forEach((listener) => listener(progress)),
    });
    const made: Entry = { translator, users, end };
    translator.catch(() => entries.get(key) === made && entries.delete(key));
    entries.set(key, made);
    entry = made;
  }
  const { users } = entry;
  clearTimeout(entry.timer);
  // A function of its own, in case two elements bring the same one.
  const listener: Listener = (progress) => onProgress(progress);
  users.add(listener);
  const shared = entry;
  return {
    translator: entry.translator,
    release() {
      users.delete(listener);
      if (users.size > 0) return;
      clearTimeout(shared.timer);
      shared.timer = setTimeout(() => {
        if (entries.get(key) === shared) entries.delete(key);
        shared.end.abort();
        shared.translator.then((translator) => translator.dispose()).catch(() => {});
      }, LINGER_MS);
    },
  };
}
