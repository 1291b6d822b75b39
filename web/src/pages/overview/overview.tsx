import { agents, server } from "../../core/client.ts";
import { useLoad } from "../../core/load.ts";
import { usePolled } from "../../core/poll.ts";
import { param, setQuery } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { Load, Page, Segmented } from "../../ui/index.ts";
import { FirstSteps } from "../agents/first-steps.tsx";
import { OperatorOnly } from "../system/operator-only.tsx";
import { Activity } from "./activity.tsx";
import { ChecksSummary } from "./checks.tsx";
import { Failing } from "./failing.tsx";
import { periods, periodWords } from "./figures.ts";
import { Now } from "./now.tsx";

export default function Overview() {
  if (!can("admin")) return <OperatorOnly title="Overview" />;
  return <OverviewPage />;
}

function OverviewPage() {
  const period = periods.find((p) => p.value === param("period"))?.value ?? "24h";
  const any = useLoad((signal) => agents.list({ limit: 1 }, signal), []);
  const statistics = useLoad((signal) => server.statistics({ period }, signal), [period]);
  const hour = useLoad((signal) => server.statistics({ period: "1h" }, signal), []);
  const failing = useLoad((signal) => server.failing(signal), []);
  const system = useLoad((signal) => server.system(signal), []);
  usePolled(5_000, system);
  usePolled(15_000, statistics, hour, failing);
  if (any.data !== undefined && any.data.data.length === 0) {
    return (
      <Page title="Overview" lead="Nothing is set up yet. Here is how it begins.">
        <FirstSteps onCreated={any.reload} />
        <Load of={system} lines={2}>{(s) => <ChecksSummary checks={s.checks} />}</Load>
      </Page>
    );
  }
  return (
    <Page
      title="Overview" lead={`All agents, ${periodWords(period)}.`}
      actions={<Segmented label="Period" value={period} onValue={(value) => setQuery({ period: value === "24h" ? null : value })} options={periods} />}
    >
      <Load of={system} lines={2}>{(s) => <ChecksSummary checks={s.checks} />}</Load>
      <Load of={statistics}>{(s) => <Now statistics={s} hour={hour.data} system={system.data} failing={failing.data?.data} />}</Load>
      <Load of={failing} lines={3}>{({ data }) => <Failing rows={data} />}</Load>
      {statistics.data !== undefined && <Activity statistics={statistics.data} />}
    </Page>
  );
}
