/** Numbers, times and sizes in the reader's locale. */
import type { Timestamp } from "./types.ts";

const locale: string | undefined = typeof navigator === "undefined" ? undefined : navigator.language;

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const oneDigit = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const relatives = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
const dayTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
const timeOnly = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const shortTime = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const shortDay = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const dayOnly = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });

export const number = (n: number): string => whole.format(n);
/** "12.3K": for axes and small places; give the whole number somewhere, too. */
export const compact = (n: number): string => short.format(n);

/** A share of 0 to 1: never "0 %" for some, nor "100 %" for not quite all. */
export function percent(share: number): string {
  const format = (n: number, digits: number): string =>
    new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(n);
  if (share > 0 && share < 0.001) return `< ${format(0.001, 1)}`;
  if (share < 1 && share > 0.999) return `> ${format(0.999, 1)}`;
  return format(share, share < 0.1 || share > 0.9 ? 1 : 0);
}

/** "1 webhook", "3 webhooks", with the number in the reader's locale. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${(unit === 0 ? whole : oneDigit).format(value)} ${units[unit] ?? ""}`;
}

/** A latency: "0.4 ms", "41 ms", "1.2 s", "2 min 5 s". */
export function milliseconds(ms: number): string {
  if (ms < 10) return `${oneDigit.format(ms)} ms`;
  if (ms < 1_000) return `${whole.format(ms)} ms`;
  if (ms < 60_000) return `${oneDigit.format(ms / 1_000)} s`;
  return duration(ms / 1_000);
}

const steps = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
] as const;

/** A span in its two largest units: "23 h 52 min", "5 s". */
export function duration(seconds: number): string {
  let left = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [unit, size] of steps) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) parts.push(`${whole.format(n)} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? "0 s" : parts.join(" ");
}

/** "5 min ago", "in 2 hr", "now". */
export function relative(at: Timestamp, now: number): string {
  const seconds = (Date.parse(at) - now) / 1_000;
  const size = Math.abs(seconds);
  if (size < 5) return relatives.format(0, "second");
  if (size < 60) return relatives.format(Math.trunc(seconds), "second");
  if (size < 3_600) return relatives.format(Math.trunc(seconds / 60), "minute");
  if (size < 86_400) return relatives.format(Math.trunc(seconds / 3_600), "hour");
  if (size < 30 * 86_400) return relatives.format(Math.trunc(seconds / 86_400), "day");
  return dayOnly.format(new Date(at));
}

/** How long until then: "14 min"; "" when it has passed. */
export function until(at: Timestamp, now: number): string {
  const seconds = (Date.parse(at) - now) / 1_000;
  return seconds <= 0 ? "" : duration(seconds);
}

/** "2026-04-26 08:30:14.123 UTC": the same for every reader. */
export function absoluteUtc(at: Timestamp): string {
  const iso = new Date(at).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)} UTC`;
}

export const localTime = (at: Timestamp): string => dayTime.format(new Date(at));
export const clockTime = (at: Timestamp): string => timeOnly.format(new Date(at));

/** A tick of a time axis whose ticks are so many seconds apart: the day where one begins, else the time. */
export function axisTime(ms: number, step: number): string {
  const at = new Date(ms);
  const midnight = at.getHours() === 0 && at.getMinutes() === 0;
  return (step >= 86_400 || midnight ? shortDay : shortTime).format(at);
}

/** What people read for a profile or a format: "Standard". */
export const profileTitle = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** Splits a URL for display: the host is strong, the rest weak. */
export function urlParts(url: string): { host: string; rest: string; scheme: string } {
  const match = /^([a-z]+):\/\/([^/?#]+)(.*)$/i.exec(url);
  return match === null ? { scheme: "", host: url, rest: "" } : { scheme: match[1] ?? "", host: match[2] ?? "", rest: match[3] === "/" ? "" : (match[3] ?? "") };
}

/** A URL as it is shown, for names: without its scheme. */
export function urlName(url: string): string {
  const { host, rest } = urlParts(url);
  return host + rest;
}

/** The end of a URL's path that stays when it is cut: its last part, if that is short. */
export function urlEnd(rest: string): string {
  const most = 14;
  if (rest.length <= most) return rest;
  const last = rest.slice(rest.lastIndexOf("/"));
  return last.length >= 4 && last.length <= most ? last : rest.slice(-12);
}
