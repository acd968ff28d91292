/** What was measured, as a picture to keep and to send. */
import type { Measured } from "./measure.ts";
import { browser, device, digits, gigaflops, peakText, share } from "./report.ts";

/** Below this the page is a phone's, and the picture as narrow. */
const NARROW = 480;
const SCALE = 2;
const [TOP, ROW, MARGIN, BAR] = [150, 54, 28, 8];

/** Draws it for a place so wide, in the page's colours by day. */
export function draw(canvas: HTMLCanvasElement, measured: Measured, place: number): void {
  const width = place < NARROW ? 400 : 720;
  const height = TOP + ROW * measured.rows.length + 44;
  [canvas.width, canvas.height] = [SCALE * width, SCALE * height];
  const context = canvas.getContext("2d");
  if (!context) return;
  const style = getComputedStyle(document.documentElement);
  const [sans, mono] = ["--sans", "--mono"].map((name) => style.getPropertyValue(name));
  const right = width - MARGIN;
  const text = (words: string, x: number, y: number, font: string, color = "#16191a") => {
    context.font = font;
    context.fillStyle = color;
    context.fillText(words, x, y, right - MARGIN);
  };
  context.scale(SCALE, SCALE);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  text("ugatit on this device", MARGIN, 44, `650 22px ${sans}`);
  text(device(measured), MARGIN, 70, `400 14px ${sans}`);
  text(`Peak ${peakText(measured)}`, MARGIN, 92, `400 13px ${sans}`, "#50575a");

  text(browser(measured), MARGIN, 114, `400 13px ${sans}`, "#50575a");

  const shares = measured.rows.map((row) => share(row, measured) ?? 0);
  const whole = (right - MARGIN) / Math.max(1, ...shares);
  measured.rows.forEach((row, i) => {
    const y = TOP + i * ROW;
    text(row.name, MARGIN, y, `560 13px ${sans}`);
    const reached = gigaflops(row);
    const part = share(row, measured);
    context.textAlign = "right";
    const figures =
      row.milliseconds === null
        ? "too long here"
        : `${digits(row.milliseconds)} ms` +
          (width > NARROW ? `   ${digits(reached!)} GFLOP/s` : "");
    text(figures, right - (part === null ? 0 : 56), y, `400 12px ${mono}`);
    if (part !== null) text(`${Math.round(100 * part)} %`, right, y, `560 12px ${mono}`, "#c42d1b");
    context.textAlign = "left";
    context.fillStyle = "#e6e9e8";
    context.fillRect(MARGIN, y + 10, right - MARGIN, BAR);
    context.fillStyle = "#c42d1b";
    context.fillRect(MARGIN, y + 10, whole * (part ?? 0), BAR);
    context.fillStyle = "#16191a";
    context.fillRect(MARGIN + whole - 1, y + 8, 2, BAR + 4);
  });
  const why = width > NARROW ? "; Winograd's algorithm spares arithmetic" : "";
  const foot = `${measured.date}. The mark is the device's own peak${why}.`;
  text(foot, MARGIN, height - 22, `400 12px ${sans}`, "#50575a");
}
