import { useMemo } from "preact/hooks";
import { explain } from "../../core/explain.ts";
import { count, milliseconds, number, percent } from "../../core/format.ts";
import { outcomePhrase } from "../../core/state.ts";
import type { Statistics } from "../../core/types-server.ts";
import { Card, Chart, Empty, type Series } from "../../ui/index.ts";
import { periodWords } from "./figures.ts";

/** Charts of all attempts, and why some failed. */
export function Activity({ statistics: s }: { readonly statistics: Statistics }) {
  const times = useMemo(() => s.points.map((p) => p.at), [s]);
  const attempts = useMemo<readonly Series[]>(
    () => [
      { name: "Delivered", tone: "good", kind: "bars", values: s.points.map((p) => p.delivered) },
      { name: "Failed", tone: "bad", kind: "bars", values: s.points.map((p) => p.failed) },
    ],
    [s],
  );
  const latency = useMemo<readonly Series[]>(
    () => [
      { name: "Median", tone: "info", kind: "line", values: s.points.map((p) => p.p50_ms) },
      { name: "Slowest 5 %", tone: "warn", kind: "line", values: s.points.map((p) => p.p95_ms) },
    ],
    [s],
  );
  const words = periodWords(s.period);
  const failed = s.totals.failed;
  if (s.totals.delivered + failed === 0) {
    return <Card title="Attempts"><Empty icon="deliveries" title={`Nothing was sent in ${words}`}>Charts appear with the first event that a webhook takes. A longer period may show earlier ones.</Empty></Card>;
  }
  return (
    <>
      <Card title="Attempts"><Chart label={`Attempts in ${words}`} times={times} series={attempts} format={number} /></Card>
      <div class="split">
        <Card title="Answer time"><Chart label={`Answer times in ${words}`} times={times} series={latency} format={milliseconds} /></Card>
        <Card title="Why attempts failed" flush={failed > 0}>
          {failed === 0 ? <Empty icon="ok" title="No attempt failed">{s.totals.delivered === 1 ? "The one attempt was delivered." : `All ${number(s.totals.delivered)} attempts were delivered.`}</Empty> : (
            <ul class="list-plain">
              {s.reasons.map((r) => (
                <li key={`${r.reason} ${r.status_code ?? ""}`} class="row">
                  <span class="grow">{explain(r.reason, r.status_code)?.title ?? outcomePhrase(r.reason, r.status_code)}</span>
                  <span class="muted number">{count(r.count, "time")}, {percent(r.count / failed)}</span>
                </li>
              ))}
            </ul>
          )}
        </Card>
      </div>
    </>
  );
}
