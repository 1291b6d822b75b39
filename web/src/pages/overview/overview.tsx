import { agentLink } from "../../core/agent.ts";
import { server } from "../../core/client.ts";
import { compact, milliseconds, number, percent } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { Card, Chart, Empty, Load, Page, Stat, Table } from "../../ui/index.ts";

export default function Overview() {
  const statistics = useLoad((signal) => server.statistics({ period: "24h" }, signal), []);
  const failing = useLoad((signal) => server.failing(signal), []);
  return (
    <Page title="Overview" lead="All agents, the last 24 hours.">
      <Load of={statistics}>
        {(s) => (
          <>
            <div class="grid">
              <Stat name="Attempts" value={compact(s.totals.delivered + s.totals.failed)} />
              <Stat name="Success rate" value={s.totals.error_rate === null ? "–" : percent(1 - s.totals.error_rate)} />
              <Stat name="Latency, median" value={s.totals.latency_ms === null ? "–" : milliseconds(s.totals.latency_ms.p50)} />
            </div>
            <Card title="Attempts">
              <Chart
                label="Attempts in the last 24 hours" times={s.points.map((p) => p.at)} format={number}
                series={[
                  { name: "Delivered", tone: "good", kind: "bars", values: s.points.map((p) => p.delivered) },
                  { name: "Failed", tone: "bad", kind: "bars", values: s.points.map((p) => p.failed) },
                ]}
              />
            </Card>
          </>
        )}
      </Load>
      <Load of={failing} lines={3}>
        {({ data }) => data.length === 0 ? <Card><Empty icon="ok" title="No webhook is failing">Webhooks in trouble are listed here.</Empty></Card> : (
          <Table
            label="Failing webhooks" rows={data} id={(f) => f.endpoint_id} href={(f) => agentLink(`webhooks/${f.endpoint_id}`, {}, f.agent_id)}
            columns={[
              { name: "Webhook", main: true, cell: (f) => <a class="cell-link" href={agentLink(`webhooks/${f.endpoint_id}`, {}, f.agent_id)}>{f.url}</a> },
              { name: "Agent", cell: (f) => f.agent_name },
              { name: "Waiting", align: "end", cell: (f) => number(f.waiting) },
            ]}
          />
        )}
      </Load>
    </Page>
  );
}
