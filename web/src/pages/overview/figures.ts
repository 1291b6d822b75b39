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
 * Attempts in a minute, over the last `minutes` whole ones: the last point holds
 * the present, still fills, and is left out. Null if the points are no minutes.
 */
export function perMinute(statistics: Statistics, minutes = 5): number | null {
  if (statistics.step_seconds !== 60) return null;
  const whole = statistics.points.slice(-minutes - 1, -1);
  if (whole.length === 0) return null;
  return whole.reduce((sum, p) => sum + attempts(p), 0) / whole.length;
}

/** The most attempts that one minute of the last hour had. */
export function busiestMinute(statistics: Statistics): number {
  return Math.max(0, ...statistics.points.map(attempts));
}
