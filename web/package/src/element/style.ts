/** The style of `<ugatit-image>` within its shadow root. */
const STYLE = `
:host {
  --_accent: var(--ugatit-accent, #2563eb);
  --_ground: var(--ugatit-ground, rgb(255 255 255 / 88%));
  --_text: var(--ugatit-text, #1f2937);
  --_error: var(--ugatit-error, #b91c1c);
  display: inline-block;
  position: relative;
  max-width: 100%;
  vertical-align: bottom;
  color-scheme: light dark;
}
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) {
  :host {
    --_accent: var(--ugatit-accent, #7aa7ff);
    --_ground: var(--ugatit-ground, rgb(17 24 39 / 88%));
    --_text: var(--ugatit-text, #f3f4f6);
    --_error: var(--ugatit-error, #fca5a5);
  }
}
[hidden] { display: none !important; }
.frame { display: grid; position: relative; overflow: hidden; direction: ltr; border-radius: inherit; }
.frame > * { grid-area: 1 / 1; min-width: 0; }
canvas { display: block; width: 100%; height: 100%; }
.before { clip-path: inset(0 calc(100% - var(--_position, 100%)) 0 0); }
.attention { opacity: var(--ugatit-attention-opacity, 0.5); pointer-events: none; }
.slider {
  appearance: none; width: 100%; height: 100%; margin: 0; padding: 0;
  background: none; opacity: 0; cursor: ew-resize; touch-action: pan-y;
}
.slider::-webkit-slider-thumb { appearance: none; width: 1px; height: 100%; }
.slider::-moz-range-thumb { width: 1px; height: 100%; border: 0; }
.slider:disabled { cursor: default; }
.handle {
  position: absolute; top: 0; bottom: 0; left: var(--_position, 50%); width: 2px; margin-left: -1px;
  background: white; box-shadow: 0 0 3px rgb(0 0 0 / 60%); pointer-events: none;
}
.handle::after {
  content: ""; position: absolute; top: 50%; left: 50%; width: 1.75rem; height: 1.75rem;
  box-sizing: border-box; transform: translate(-50%, -50%); border-radius: 50%;
  background: var(--_ground); border: 2px solid white; box-shadow: 0 0 3px rgb(0 0 0 / 60%);
}
.slider:focus-visible ~ .handle::after { outline: 3px solid var(--_accent); outline-offset: 2px; }
.progress {
  align-self: end; width: calc(100% - 1rem); height: 0.5rem; margin: 0.5rem;
  box-sizing: border-box; accent-color: var(--_accent);
}
.message {
  margin: 0; padding: 0.4rem 0.6rem; font: 0.875rem / 1.4 system-ui, sans-serif;
  color: var(--_text); background: var(--_ground); overflow-wrap: anywhere;
}
.error { color: var(--_error); border-inline-start: 3px solid currentcolor; }
@media (forced-colors: active) {
  .handle { background: CanvasText; }
  .handle::after { border-color: CanvasText; }
}
@media (prefers-reduced-motion: no-preference) {
  .after { animation: appear 200ms ease-out; }
  @keyframes appear { from { opacity: 0; } }
}
`;

let sheet: CSSStyleSheet | undefined;

/** Styles a shadow root in a way that the strictest Content-Security-Policy allows. */
export function adoptStyle(root: ShadowRoot, nonce: string): void {
  if ("adoptedStyleSheets" in root) {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
    }
    root.adoptedStyleSheets = [sheet];
    return;
  }
  // Safari before 16.4; under a policy the page gives the element its nonce.
  const style = document.createElement("style");
  style.nonce = nonce;
  style.textContent = STYLE;
  (root as ShadowRoot).append(style);
}
