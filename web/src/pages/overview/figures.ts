/** What the overview computes from the API's statistics. */
import type { Period, Statistics, StatisticsPoint } from "../../core/types-server.ts";

export const periods: readonly { readonly value: Period; readonly label: string; readonly words: string }[] = [
  { value: "1h", label: "1 h", words: "the last hour" },
  { value: "24h", label: "24 h", words: "the last 24 hours" },
  { value: "7d", label: "7 d", words: "the last 7 days" },
  { value: "30d", label: "30 d", words: "the last 30 days" },
];

export const periodWords = (period: Period): string => periods.find((p) => p.value === period)?.words ?? period;

const attempts = (p: StatisticsPoint): number => p.delivered + p.failed;

/**
 * Attempts in a minute, over the last five and the part of the present one that
 * has passed. Null if the points are no minutes.
 */
export function perMinute(statistics: Statistics, now: number): number | null {
  const points = statistics.points.slice(-6);
  const present = points.at(-1);
  if (statistics.step_seconds !== 60 || present === undefined) return null;
  const passed = Math.min(1, Math.max(0, (now - Date.parse(present.at)) / 60_000));
  const minutes = points.length - 1 + passed;
  return minutes === 0 ? null : points.reduce((sum, p) => sum + attempts(p), 0) / minutes;
}

/** The most attempts that one minute of the last hour had. */
export function busiestMinute(statistics: Statistics): number {
  return Math.max(0, ...statistics.points.map(attempts));
}
