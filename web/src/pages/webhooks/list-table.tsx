import { useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { count, number, percent, urlName, urlParts } from "../../core/format.ts";
import { deliveryStates, type StateInfo, webhookDetail, webhookStates } from "../../core/state.ts";
import type { EventType } from "../../core/types.ts";
import { type Column, Sparkline, State, Table, Time, UrlText } from "../../ui/index.ts";
import { type ActionName, ActionDialog, WebhookMenu } from "./list-actions.tsx";
import { eventsPhrase, type Row, takesAll } from "./list-model.ts";

interface WebhookTableProps {
  readonly rows: readonly Row[];
  /** How many there are without filters. */
  readonly all: number;
  readonly types: readonly EventType[] | undefined;
  readonly starting: boolean;
  readonly onChanged: () => void;
}

export function WebhookTable({ rows, all, types, starting, onChanged }: WebhookTableProps) {
  const [action, setAction] = useState<{ readonly name: ActionName; readonly row: Row } | null>(null);
  const columns: readonly Column<Row>[] = [
    { name: "Webhook", main: true, cell: (row) => <UrlCell row={row} /> },
    { name: "State", cell: (row) => <StateCell row={row} /> },
    { name: "Events", cell: ({ endpoint: e }) => <EventsCell events={e.events} types={types} /> },
    { name: "Last 24 hours", cell: ({ health }) => (health === undefined ? <None starting={starting} /> : <Sparkline label="Last 24 hours" points={health.points} />) },
    { name: "Error rate", align: "end", cell: ({ health }) => (health?.error_rate == null ? <None starting={starting} /> : <ErrorRate rate={health.error_rate} failed={health.failed} />) },
    { name: "Last attempt", cell: (row) => <LastCell row={row} starting={starting} /> },
    { name: "Actions", actions: true, cell: (row) => <WebhookMenu row={row} onAction={(name) => setAction({ name, row })} onChanged={onChanged} /> },
  ];
  const foot = <div class="table-foot"><span>{rows.length === all ? count(all, "webhook") : `${number(rows.length)} of ${count(all, "webhook")}`}</span></div>;
  return (
    <div class="webhook-list">
      <Table label="Webhooks" rows={rows} id={(r) => r.endpoint.id} href={(r) => agentLink(`webhooks/${r.endpoint.id}`)} nameOf={(r) => r.endpoint.url} keyboard columns={columns} foot={foot} />
      {action !== null && <ActionDialog {...action} onChanged={onChanged} onClose={() => setAction(null)} />}
    </div>
  );
}

function UrlCell({ row: { endpoint: e } }: { readonly row: Row }) {
  return (
    <div class="webhook-url">
      <a class="cell-link truncate" href={agentLink(`webhooks/${e.id}`)} title={e.url} aria-label={urlName(e.url)}><UrlText {...urlParts(e.url)} /></a>
      <span class="webhook-note small muted">
        <span class="tag">{e.method}</span>
        {e.description !== "" && <span class="truncate">{e.description}</span>}
      </span>
    </div>
  );
}

function StateCell({ row }: { readonly row: Row }) {
  const info = webhookStates[row.state];
  const detail = webhookDetail(row.endpoint, row.health);
  return (
    <div class="webhook-state">
      <State info={info} />
      {detail !== "" && <span class="small muted webhook-why">{detail}</span>}
    </div>
  );
}

function EventsCell({ events, types }: { readonly events: readonly string[]; readonly types: readonly EventType[] | undefined }) {
  const title = takesAll(events) ? "All events, now and later" : events.join(", ");
  return <span class="nowrap number" title={title === "" ? undefined : title}>{eventsPhrase(events, types)}</span>;
}

function ErrorRate({ rate, failed }: { readonly rate: number; readonly failed: number }) {
  return <span class="number nowrap" title={`${count(failed, "attempt")} failed in the last 24 hours`}>{percent(rate)}</span>;
}

/** An attempt that failed is not the end of its delivery. */
const failedAttempt: StateInfo = { ...deliveryStates.failed, text: "The latest attempt failed. Its delivery may be tried again: the log tells." };

/** How the latest attempt ended, and when. */
function LastCell({ row: { health }, starting }: { readonly row: Row; readonly starting: boolean }) {
  if (health === undefined) return starting ? <None starting /> : <span class="muted">never</span>;
  if (health.last_attempt_at === null) return <span class="muted">never</span>;
  const failed = health.last_failed_at !== null && (health.last_delivered_at === null || health.last_failed_at > health.last_delivered_at);
  return (
    <span class="row row-tight webhook-last">
      <State info={failed ? failedAttempt : deliveryStates.delivered} />
      <span class="muted"><Time at={health.last_attempt_at} /></span>
    </span>
  );
}

const None = ({ starting }: { readonly starting: boolean }) => <span class="muted">{starting ? <span aria-label="Loading">…</span> : "–"}</span>;
