import { useCallback, useState } from "preact/hooks";
import { agentLink, useAgentId } from "../../core/agent.ts";
import { path } from "../../core/api.ts";
import { clockTime } from "../../core/format.ts";
import { deliveryStates, outcomePhrase } from "../../core/state.ts";
import { streamState, useStream } from "../../core/stream.ts";
import type { StreamEvent } from "../../core/types.ts";
import { Badge, Empty, Page, State, VirtualList } from "../../ui/index.ts";

type Row = Extract<StreamEvent, { type: "delivery" }>["data"] & { readonly key: string };
const most = 10_000;

export default function Live() {
  const agent = useAgentId();
  const [rows, setRows] = useState<readonly Row[]>([]);
  useStream(path`v1/agents/${agent}/stream`, {}, useCallback((event: StreamEvent) => {
    if (event.type !== "delivery") return;
    const row = { ...event.data, key: `${event.data.id} ${performance.now()}` };
    setRows((before) => [row, ...before.slice(0, most - 1)]);
  }, []));
  return (
    <Page title="Live" lead="Deliveries as they happen." actions={<Badge tone={streamState.value === "connected" ? "good" : "muted"} icon="live">{streamState.value ?? "connecting"}</Badge>}>
      {rows.length === 0 ? <Empty icon="live" title="Waiting for something to happen">New deliveries appear here at once.</Empty> : (
        <VirtualList label="Live deliveries" rows={rows} id={(r) => r.key} rowHeight={44} height={640}>
          {(r) => (
            <>
              <time class="time muted" dateTime={r.created_at}>{clockTime(r.attempt?.started_at ?? r.created_at)}</time>
              <State info={deliveryStates[r.state]} />
              <a class="cell-link truncate grow" href={agentLink(`deliveries/${r.id}`)}><code>{r.event}</code></a>
              {r.attempt !== null && <span class="muted">{outcomePhrase(r.attempt.reason, r.attempt.status_code)}</span>}
            </>
          )}
        </VirtualList>
      )}
    </Page>
  );
}
