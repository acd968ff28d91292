/** What was measured, as text for people and for an issue. */
import type { Measured, Row } from "./measure.ts";

/** Three digits that count. */
export function digits(value: number): string {
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

export const gigaflops = ({ flops, milliseconds }: Row): number | null =>
  milliseconds === null ? null : flops / milliseconds / 1e6;

/** The share of the device's peak, 0 to 1; above 1 where an algorithm spares arithmetic. */
export function share(row: Row, { peak }: Measured): number | null {
  const reached = gigaflops(row);
  return reached === null || !peak ? null : (reached * 1e9) / peak.flops;
}

/** What computed, in a line. */
export function device({ adapter, backend, software, threads, processors }: Measured): string {
  if (backend === "webgpu") return `${adapter}${software ? " (computes on the processor)" : ""}`;
  return `${processors} processors, ${threads === 1 ? "one thread" : `${threads} threads`} of WebAssembly`;
}

/** The browser's name and version, and the system, as far as it tells. */
export function browser({ browser }: Measured): string {
  const named = [/Firefox\/[\d.]+/, /Edg\/[\d.]+/, /Chrome\/[\d.]+/, /Version\/[\d.]+ .*Safari/]
    .map((name) => name.exec(browser)?.[0])
    .find((name) => name !== undefined);
  const name = (named ?? "").replace(/Version\/([\d.]+).*/, "Safari $1").replace("/", " ");
  const [, system] = /\((?:X11; )?([^;)]+)/.exec(browser) ?? [];
  return [name.replace("Edg ", "Edge "), system].filter(Boolean).join(", ");
}

/** The peak in a line. */
export function peakText({ peak, backend, threads }: Measured): string {
  if (!peak) return "not measured";
  const copied = peak.bytes ? `, ${digits(peak.bytes / 1e9)} GB/s copied` : "";
  const of = backend === "wasm" && threads > 1 ? `, ${threads} times that of one thread` : "";
  return `${digits(peak.flops / 1e9)} GFLOP/s of f32${copied}${of}`;
}

/** The report in Markdown. */
export function report(measured: Measured): string {
  const lines = measured.rows.map((row) => {
    const of = share(row, measured);
    const cells =
      row.milliseconds === null
        ? ["too long here", "", ""]
        : [
            digits(row.milliseconds),
            digits(gigaflops(row)!),
            of === null ? "" : `${Math.round(100 * of)} %`,
          ];
    return `| ${[row.name, ...cells].join(" | ")} |`;
  });
  return `ugatit in a page, measured ${measured.date}

- computes: ${device(measured)}
- backend: ${measured.backend}; cross-origin isolated: ${measured.isolated ? "yes" : "no"}
- peak: ${peakText(measured)}
- browser: ${measured.browser}

| | ms | GFLOP/s | of the peak |
|---|---:|---:|---:|
${lines.join("\n")}

GFLOP/s count the direct convolution's arithmetic, of which Winograd's algorithm, where it is taken, does a quarter.
`;
}
