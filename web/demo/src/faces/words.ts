/** What parts and colours are called, for people. */

const COLORS: Record<string, string> = {
  "2c1b18": "black",
  "4a312c": "dark brown",
  "724133": "brown",
  a55728: "auburn",
  b58143: "light brown",
  d6b370: "blond",
  e8e1e1: "white",
  c93305: "red",
  f9d0b4: "very light",
  f1c3a5: "light",
  eac393: "golden",
  c68e7a: "medium",
  a36b4f: "brown",
  "5c3829": "dark",
};

export const colorWord = (value: string): string => COLORS[value] ?? `#${value}`;

/** `longWavy` is "long wavy", `variant07` is "7", `happy03` is "happy 3". */
export function partWord(value: string): string {
  if (value === "") return "none";
  const [, word = "", number = ""] = /^(.*?)0*(\d*)$/.exec(value.replace("Comed", "Combed")) ?? [];
  const words = word === "variant" ? "" : word.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
  return `${words} ${number}`.trim();
}
