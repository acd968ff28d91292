/** Errors as sentences: what happened, and what to do about it. */
export interface Problem {
  code: string;
  what: string;
  todo: string;
  /** Trying the same again may help. */
  retry: boolean;
}

/** The page's own reasons, beside the codes of `ugatit-web`. */
const SENTENCES: Record<string, [what: string, todo: string, retry: boolean]> = {
  "no-webgpu": [
    "This browser has no WebGPU.",
    "Reload the page to use the processor instead.",
    false,
  ],
  "no-adapter": [
    "The browser found no GPU that it may use.",
    "Reload the page to use the processor instead.",
    false,
  ],
  "model-invalid": [
    "This is not a model that the page can use.",
    "It opens .safetensors files written by ugatit import, export or train.",
    false,
  ],
  "model-unreachable": [
    "The model did not arrive.",
    "Look at your connection and try again.",
    true,
  ],
  "model-corrupt": [
    "The model arrived damaged.",
    "Try again; if it stays so, reload the page.",
    true,
  ],
  "size-unsupported": [
    "This model cannot work at that size.",
    "Choose the model's size, or crop the picture to be nearer to a square.",
    false,
  ],
  "too-large": [
    "The picture is too large for this machine.",
    "Crop it, or choose the model's size.",
    false,
  ],
  "model-too-large": [
    "The model is too large for this machine.",
    "Make it smaller with “ugatit import --quantize 8” or 4, and open that.",
    false,
  ],
  "out-of-memory": [
    "The GPU has too little memory left for this.",
    "Choose the model's size, crop the picture, or close other tabs.",
    true,
  ],
  "device-lost": [
    "The GPU was reset while it worked.",
    "Try again; the page starts it anew.",
    true,
  ],
  "picture-unreadable": [
    "This browser cannot read that picture.",
    "Save it as PNG, JPEG or WebP and open that.",
    false,
  ],
  "unsupported-source": ["That is not a picture.", "Open a PNG, JPEG or WebP file.", false],
  "faces-unreachable": [
    "The parts of the faces did not arrive.",
    "Look at your connection and reload the page.",
    false,
  ],
  "worker-failed": [
    "The page's helper process could not start.",
    "Reload the page; if you are offline, load it once online.",
    true,
  ],
  internal: [
    "Something broke inside. It is our mistake, not yours.",
    "Try again; the page starts afresh.",
    true,
  ],
  "not-a-picture": [
    "That is neither a picture nor a model.",
    "Drop a PNG, JPEG or WebP, or a .safetensors model.",
    false,
  ],
  "pytorch-file": [
    "PyTorch files are not opened here.",
    "Turn it into .safetensors with “ugatit import FILE.pt -o DIR” and open that.",
    false,
  ],
  "nothing-to-paste": [
    "There is no picture on the clipboard.",
    "Copy a picture first, then paste it here.",
    false,
  ],
  "clipboard-closed": [
    "The browser did not let the page at the clipboard.",
    "Press Ctrl+V (⌘V) instead, or open a file.",
    false,
  ],
  "copy-failed": ["The picture could not be copied.", "Download it instead.", false],
  "share-failed": ["The picture could not be shared.", "Download it instead.", false],
  "camera-refused": [
    "The page may not use the camera.",
    "Allow it in the browser's address bar, then try again.",
    true,
  ],
  "camera-missing": ["There is no camera here.", "Open a photo instead.", false],
  unable: [
    "This browser can run neither WebGPU nor WebAssembly.",
    "Open the page in a current Chrome, Edge, Firefox or Safari.",
    false,
  ],
};

export function problem(code: string): Problem {
  const [what, todo, retry] = SENTENCES[code] ?? SENTENCES["internal"]!;
  return { code, what, todo, retry };
}

/** An error of the page itself, with a code of the table above. */
export class PageError extends Error {
  constructor(readonly code: string) {
    super(problem(code).what);
  }
}

/** An error of opening a model: what is too large then is the model, no picture. */
export function ofModel(error: unknown): unknown {
  if (!["too-large", "out-of-memory"].includes(errorCode(error))) return error;
  return Object.assign(new Error((error as Error).message), { code: "model-too-large" });
}

/** What an error that was thrown means to the user; null where they cancelled themselves. */
export function problemOf(error: unknown): Problem | null {
  const code = errorCode(error);
  if (code === "aborted") return null;
  if (!(code in SENTENCES) || code === "internal") console.error(error);
  const found = problem(code);
  // The library knows more about a model or a size than a sentence made in advance: which tensor, which number.
  const detailed = ["model-invalid", "model-too-large", "size-unsupported", "too-large"].includes(
    code,
  );
  return detailed && error instanceof Error && error.message
    ? { ...found, what: `${found.what} ${sentence(error.message)}` }
    : found;
}

export function errorCode(error: unknown): string {
  if (typeof error === "object" && error !== null) {
    if ("code" in error && typeof error.code === "string") return error.code;
    if ("name" in error && error.name === "AbortError") return "aborted";
  }
  return "internal";
}

function sentence(text: string): string {
  const trimmed = text.trim().slice(0, 240);
  const upper = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(upper) ? upper : `${upper}.`;
}
