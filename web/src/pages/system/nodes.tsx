import { number } from "../../core/format.ts";
import { nodeStates } from "../../core/state.ts";
import type { ServerNode } from "../../core/types-server.ts";
import { Badge, Card, State, Table, Time } from "../../ui/index.ts";

const roles: Readonly<Record<ServerNode["role"], string>> = { all: "API and delivery", api: "API only", worker: "Delivery only" };

/** The processes that share the store: with the embedded store there is one. */
export function Nodes({ nodes }: { readonly nodes: readonly ServerNode[] }) {
  return (
    <Card title="Nodes" lead="The processes that share the store. When one ends, the others take over what it had to send." flush>
      <Table
        label="Nodes" rows={nodes} id={(n) => n.id}
        columns={[
          { name: "Name", main: true, cell: (n) => <span class="row"><span class="strong anywhere">{n.name}</span>{n.this && <Badge tone="info">Answers this page</Badge>}</span> },
          { name: "Role", cell: (n) => roles[n.role] },
          { name: "Version", cell: (n) => n.version },
          { name: "State", cell: (n) => <State info={nodeStates[n.state]} /> },
          { name: "Being sent", align: "end", cell: (n) => number(n.in_flight) },
          { name: "Queued", align: "end", cell: (n) => number(n.queued) },
          { name: "Last seen", cell: (n) => <Time at={n.seen_at} /> },
        ]}
      />
    </Card>
  );
}
