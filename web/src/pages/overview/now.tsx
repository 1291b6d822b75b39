import { now } from "../../core/clock.ts";
import { compact, count, duration, milliseconds, number, percent } from "../../core/format.ts";
import type { FailingEndpoint, Statistics, SystemInfo } from "../../core/types-server.ts";
import { Stat } from "../../ui/index.ts";
import { busiestMinute, perMinute } from "./figures.ts";

const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

export interface NowProps {
  readonly statistics: Statistics;
  readonly hour: Statistics | undefined;
  readonly system: SystemInfo | undefined;
  readonly failing: readonly FailingEndpoint[] | undefined;
}

/** The numbers that tell at a glance whether all is well. */
export function Now({ statistics: { totals }, hour, system, failing }: NowProps) {
  const all = totals.delivered + totals.failed;
  const rate = hour === undefined ? null : perMinute(hour, now.value);
  return (
    <div class="grid stats">
      <Stat name="Attempts a minute" value={rate === null ? "…" : rate < 10 ? oneDigit.format(rate) : compact(Math.round(rate))}>
        {hour === undefined ? "" : `over 5 minutes; ${number(busiestMinute(hour))} in the busiest minute of the last hour`}
      </Stat>
      <Stat name="Success rate" value={totals.error_rate === null ? "–" : percent(1 - totals.error_rate)}>
        {all === 0 ? "nothing was sent" : `${number(totals.failed)} of ${count(all, "attempt")} failed`}
      </Stat>
      <Stat name="Answer time" value={totals.latency_ms === null ? "–" : milliseconds(totals.latency_ms.p50)}>
        {totals.latency_ms === null ? "nothing was sent" : `median; the slowest 5 % took over ${milliseconds(totals.latency_ms.p95)}`}
      </Stat>
      <Stat name="Being sent now" value={system === undefined ? "…" : number(system.load.in_flight)}>
        {system === undefined ? "" : `of ${number(system.settings.max_in_flight)} at the same time`}
      </Stat>
      <Stat name="Queue" value={system === undefined ? "…" : compact(system.load.queued)}>
        {system === undefined ? "" : waiting(system, now.value)}
      </Stat>
      <Stat name="Webhooks in trouble" value={failing === undefined ? "…" : number(failing.length)}>
        {failing === undefined ? "" : failing.length === 0 ? "none fails" : `${count(failing.reduce((sum, f) => sum + f.waiting, 0), "delivery waits", "deliveries wait")} for ${failing.length === 1 ? "it" : "them"}`}
      </Stat>
    </div>
  );
}

/** "the oldest has been waiting for 3 min": how late the server is. */
function waiting(system: SystemInfo, at: number): string {
  const oldest = system.load.oldest_due_at;
  if (oldest === null) return "nothing is late";
  const seconds = (at - Date.parse(oldest)) / 1_000;
  return seconds < 1 ? "nothing is late" : `the oldest${system.load.queued === 0 ? " in the store" : ""} has been waiting for ${duration(seconds)}`;
}
