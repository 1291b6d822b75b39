import { agentLink } from "../../core/agent.ts";
import { now } from "../../core/clock.ts";
import { absoluteUtc, count, duration, number, urlParts } from "../../core/format.ts";
import { outcomePhrase, webhookStates } from "../../core/state.ts";
import type { FailingEndpoint } from "../../core/types-server.ts";
import { Card, Empty, State, Table, UrlText } from "../../ui/index.ts";

/** The webhooks of all agents that are in trouble, with the reason. */
export function Failing({ rows }: { readonly rows: readonly FailingEndpoint[] }) {
  if (rows.length === 0) {
    return <Card title="Webhooks in trouble"><Empty icon="ok" title="No webhook is failing">One that fails three times in a row, or was suspended, appears here.</Empty></Card>;
  }
  return (
    <section class="stack stack-s" aria-label="Webhooks in trouble">
      <div class="row"><h2>Webhooks in trouble</h2><span class="muted">{rows.length >= 100 ? "The 100 that have been failing for longest" : "Failing for longest first"}.</span></div>
      <Table
        label="Webhooks in trouble" rows={rows} id={(f) => f.endpoint_id} href={href} keyboard
        columns={[
          {
            name: "Webhook", main: true,
            cell: (f) => (
              <a class="cell-link type-cell" href={href(f)}>
                <UrlText {...urlParts(f.url)} />
                <span class="muted truncate">{f.agent_name}</span>
              </a>
            ),
          },
          { name: "Why", cell: (f) => <span class="why"><State info={webhookStates[stateOf(f)]} /><span class="muted">{why(f)}</span></span> },
          { name: "For", cell: (f) => <FailingFor since={f.failing_since} /> },
          { name: "Waiting", align: "end", cell: (f) => <span class="number">{number(f.waiting)}</span> },
        ]}
      />
    </section>
  );
}

const href = (f: FailingEndpoint): string => agentLink(`webhooks/${f.endpoint_id}`, {}, f.agent_id);
const stateOf = (f: FailingEndpoint): "suspended" | "paused" | "failing" => (f.state === "suspended" || f.state === "paused" ? f.state : "failing");

function why(f: FailingEndpoint): string {
  if (f.state === "suspended") return f.state_reason ?? "The system stopped sending.";
  const last = f.last_reason === null ? "" : `${outcomePhrase(f.last_reason, f.last_status_code)}, `;
  return `${last}${count(f.consecutive_failures, "failure")} in a row`;
}

function FailingFor({ since }: { readonly since: string | null }) {
  if (since === null) return <span class="muted">–</span>;
  return <time class="time" dateTime={since} title={absoluteUtc(since)}>{duration((now.value - Date.parse(since)) / 1_000)}</time>;
}
