/** Progress as people read it: four stretches, each with its own count. */
import type { Progress } from "ugatit-web";

export interface Work {
  phase: "check" | Progress["phase"];
  done: number;
  total: number;
  /** When the phase began, for the estimate of what is left. */
  since: number;
}

/** Which of the four stretches a phase belongs to. */
const STRETCH: Record<Work["phase"], number> = {
  check: 0,
  download: 1,
  verify: 1,
  compile: 2,
  run: 3,
  tile: 3,
};

export const STRETCHES = 4;

/** Bytes of a model from which on it is worth a word how far it is. */
const LARGE = 32e6;

export function startWork(): Work {
  return { phase: "check", done: 0, total: 0, since: performance.now() };
}

export function advance(work: Work | null, progress: Progress): Work {
  const since = work?.phase === progress.phase ? work.since : performance.now();
  return { ...progress, since };
}

/** How full each stretch is, 0 to 1. */
export function fill(work: Work): number[] {
  const at = STRETCH[work.phase];
  const share = work.total > 0 ? Math.min(1, work.done / work.total) : 0;
  return Array.from({ length: STRETCHES }, (_, i) => (i < at ? 1 : i > at ? 0 : share));
}

/** The whole, in percent, for the progress bar's value. */
export function percent(work: Work): number {
  return Math.round((fill(work).reduce((a, b) => a + b, 0) / STRETCHES) * 100);
}

/** What is going on, without counts: what a screen reader says once a phase. */
export function phaseName(work: Work): string {
  switch (work.phase) {
    case "check":
      return "Checking the GPU";
    case "download":
      return "Fetching the model";
    case "verify":
      return "Checking the model";
    case "compile":
      return "Preparing the network";
    case "run":
      return "Redrawing";
    case "tile":
      return "Redrawing in tiles";
  }
}

/** What is going on, with counts, short enough for a small screen. */
export function phaseText(work: Work): string {
  const { phase, done, total } = work;
  // A large file takes a while to be read.
  if (phase === "verify" && total >= LARGE) {
    return `Model, reading ${megabytes(done)} of ${megabytes(total)} MB`;
  }
  if (phase === "check" || phase === "verify" || (total <= 0 && done <= 0)) return phaseName(work);
  if (phase === "download") {
    return `Model, ${megabytes(done)}${total > 0 ? ` of ${megabytes(total)}` : ""} MB`;
  }
  if (phase === "compile") return `Preparing, ${done} of ${total}`;
  if (phase === "run") return `Redrawing, ${done} of ${total}`;
  return `Tile ${Math.min(done + 1, total)} of ${total}${left(work)}`;
}

/** How long the tiles that are left will take, once two of them have shown it. */
function left({ done, total, since }: Work): string {
  if (done < 2 || done >= total) return "";
  const seconds = (((performance.now() - since) / done) * (total - done)) / 1000;
  if (seconds < 5) return "";
  return seconds < 90
    ? `, about ${Math.ceil(seconds / 5) * 5} s left`
    : `, about ${Math.round(seconds / 60)} min left`;
}

export const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
