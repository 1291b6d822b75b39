import { useEffect, useMemo } from "preact/hooks";
import { agentLink } from "../../../core/agent.ts";
import { agents } from "../../../core/client.ts";
import { explain } from "../../../core/explain.ts";
import { compact, count, milliseconds, number, percent } from "../../../core/format.ts";
import { useShortcuts } from "../../../core/keys.ts";
import { useLoad } from "../../../core/load.ts";
import { param, setQuery } from "../../../core/router.ts";
import { outcomePhrase } from "../../../core/state.ts";
import type { Reason } from "../../../core/types.ts";
import type { Period, Statistics } from "../../../core/types-server.ts";
import { Card, Chart, Empty, Load, Segmented, type Series, Stat } from "../../../ui/index.ts";
import { StateBanners } from "./banners.tsx";
import { LedgerCard } from "./ledger.tsx";
import { SettingsCard } from "./settings.tsx";
import type { Detail } from "./subject.ts";

const periods: readonly { readonly value: Period; readonly label: string; readonly words: string }[] = [
  { value: "1h", label: "1 h", words: "the last hour" },
  { value: "24h", label: "24 h", words: "the last 24 hours" },
  { value: "7d", label: "7 d", words: "the last 7 days" },
  { value: "30d", label: "30 d", words: "the last 30 days" },
];
const day = { value: "24h", label: "24 h", words: "the last 24 hours" } as const;

export function Overview({ detail }: { readonly detail: Detail }) {
  const { endpoint: e, beat, refresh } = detail;
  const period = periods.find((p) => p.value === param("period")) ?? day;
  const statistics = useLoad((signal) => agents.statistics(e.agent_id, { period: period.value, endpoint_id: e.id }, signal), [e.agent_id, e.id, period.value]);
  useEffect(() => {
    if (beat > 0) statistics.reload();
  }, [beat]);
  useShortcuts(useMemo(() => [{ key: "r", label: "Refresh the numbers", run: refresh }], [refresh]));
  const choose = <Segmented label="Period" value={period.value} onValue={(value) => setQuery({ period: value === day.value ? null : value })} options={periods} />;
  return (
    <div class="stack stack-l">
      <StateBanners detail={detail} />
      <div class="row">
        <h2>Activity</h2>
        <span class="push">{choose}</span>
      </div>
      <Load of={statistics}>{(s) => <Activity statistics={s} words={period.words} />}</Load>
      <div class="split">
        {statistics.data !== undefined && <Reasons statistics={statistics.data} words={period.words} id={e.id} />}
        <LedgerCard detail={detail} />
      </div>
      <SettingsCard endpoint={e} />
    </div>
  );
}

function Activity({ statistics: s, words }: { readonly statistics: Statistics; readonly words: string }) {
  const { totals } = s;
  const times = useMemo(() => s.points.map((p) => p.at), [s]);
  const attempts = useMemo<readonly Series[]>(() => [
    { name: "Delivered", tone: "good", kind: "bars", values: s.points.map((p) => p.delivered) },
    { name: "Failed", tone: "bad", kind: "bars", values: s.points.map((p) => p.failed) },
  ], [s]);
  const latency = useMemo<readonly Series[]>(() => [
    { name: "Median", tone: "info", kind: "line", values: s.points.map((p) => p.p50_ms) },
    { name: "Slowest 5 %", tone: "warn", kind: "line", values: s.points.map((p) => p.p95_ms) },
  ], [s]);
  const all = totals.delivered + totals.failed;
  return (
    <>
      <div class="grid wh-stats">
        <Stat name="Attempts" value={<span title={number(all)}>{compact(all)}</span>}>{number(totals.delivered)} delivered, {number(totals.failed)} failed</Stat>
        <Stat name="Error rate" value={totals.error_rate === null ? "–" : percent(totals.error_rate)}>{totals.error_rate === null ? "Nothing was tried" : "Of all attempts, retries too"}</Stat>
        <Stat name="Answer time, median" value={totals.latency_ms === null ? "–" : milliseconds(totals.latency_ms.p50)}>Half of the attempts took less</Stat>
        <Stat name="Answer time, slowest 5 %" value={totals.latency_ms === null ? "–" : milliseconds(totals.latency_ms.p95)}>19 of 20 attempts took less</Stat>
      </div>
      {all === 0 ? (
        <Card><Empty icon="deliveries" title="No attempts in this time">Nothing was sent to this webhook in {words}. A test or the next event shows up here at once.</Empty></Card>
      ) : (
        <div class="grid grid-2">
          <Card title="Attempts"><Chart label={`Attempts in ${words}`} times={times} series={attempts} format={number} /></Card>
          <Card title="Answer time"><Chart label={`Answer time in ${words}`} times={times} series={latency} format={milliseconds} /></Card>
        </div>
      )}
    </>
  );
}

function Reasons({ statistics: s, words, id }: { readonly statistics: Statistics; readonly words: string; readonly id: string }) {
  const failed = s.totals.failed;
  return (
    <Card title="Why attempts failed" lead={failed === 0 ? undefined : `${count(failed, "failed attempt")} in ${words}, most frequent first.`} flush={s.reasons.length > 0}>
      {s.reasons.length === 0 ? <Empty icon="ok" title="No failures">{s.totals.delivered === 0 ? `Nothing was tried in ${words}.` : `Every attempt in ${words} was answered with a 2xx status.`}</Empty> : (
        <ul class="list-plain">
          {s.reasons.map((r) => (
            <li key={`${r.reason} ${r.status_code}`} class="wh-reason">
              <div class="row row-tight">
                <a class="grow strong" href={agentLink(`webhooks/${id}/deliveries`, filterFor(r.reason, r.status_code, s.period))}>{explain(r.reason, r.status_code)?.title ?? outcomePhrase(r.reason, r.status_code)}</a>
                <span class="number nowrap">{number(r.count)} <span class="muted">· {percent(failed === 0 ? 0 : r.count / failed)}</span></span>
              </div>
              <meter class="wh-share" min={0} max={Math.max(1, failed)} value={r.count} aria-hidden />
              <p class="muted small">{explain(r.reason, r.status_code)?.fix}</p>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

/** The deliveries whose latest attempt ended like this. */
function filterFor(reason: Reason, status: number | null, period: Period): Readonly<Record<string, string | number>> {
  if (status !== null) return { status_code: status, period };
  return reason === "canceled" ? { state: "canceled", period } : { status_class: "none", period };
}
