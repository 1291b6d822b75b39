/** Spans that people type: "5 s, 30 s, 2 min, 1 h 30 min". */

const units: Readonly<Record<string, number>> = { s: 1, sec: 1, m: 60, min: 60, h: 3_600, d: 86_400 };

/** The seconds of one span, or what is wrong with it. A bare number is seconds. */
export function parseWait(text: string): number | string {
  const plain = text.trim().toLowerCase();
  if (/^\d{1,7}$/.test(plain)) return positive(Number(plain));
  if (!/^(\d{1,7}\s*(s|sec|m|min|h|d)\s*)+$/.test(plain)) {
    return plain === "" ? "Enter a time, such as 30 s, 5 min or 2 h." : `“${text.trim()}” is no time. Write it like 30 s, 5 min or 2 h.`;
  }
  return positive(sumOf([...plain.matchAll(/(\d+)\s*([a-z]+)/g)].map(([, n, unit]) => Number(n) * (units[unit ?? ""] ?? 0))));
}

const positive = (seconds: number): number | string => (seconds > 0 ? seconds : "A wait has at least one second.");

/** Spans with commas between them; nothing at all is an empty list. */
export function parseWaits(text: string): readonly number[] | string {
  if (text.trim() === "") return [];
  const waits: number[] = [];
  for (const part of text.split(/[,;\n]/)) {
    if (part.trim() === "") continue;
    const wait = parseWait(part);
    if (typeof wait === "string") return wait;
    waits.push(wait);
  }
  return waits;
}

/** A span to the second: "1 h 30 min". parseWait reads it back. */
export function waitText(seconds: number): string {
  const parts: string[] = [];
  let left = seconds;
  for (const [unit, size] of [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]] as const) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) parts.push(`${n} ${unit}`);
  }
  return parts.length === 0 ? "0 s" : parts.join(" ");
}

export const waitsText = (waits: readonly number[]): string => waits.map(waitText).join(", ");

export const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0);

/** A span for a sentence: "24 hours", "7 days". */
export function spanWords(seconds: number): string {
  if (seconds > 86_400 && seconds % 86_400 === 0) return `${seconds / 86_400} days`;
  if (seconds % 3_600 === 0 && seconds <= 86_400) return seconds === 3_600 ? "1 hour" : `${seconds / 3_600} hours`;
  return waitText(seconds);
}
