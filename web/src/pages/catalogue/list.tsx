import { agentLink, useAgentId } from "../../core/agent.ts";
import { collect } from "../../core/api.ts";
import { eventTypes } from "../../core/client.ts";
import { useLoad } from "../../core/load.ts";
import { Badge, Load, Page, Table } from "../../ui/index.ts";

export default function Catalogue() {
  const agent = useAgentId();
  const types = useLoad((signal) => collect((cursor) => eventTypes.list({ agent_id: agent, cursor, limit: 250 }, signal)), [agent]);
  return (
    <Page title="Event catalogue" lead="What can happen, and what is sent when it does.">
      <Load of={types}>
        {(all) => (
          <Table
            label="Event types" rows={all} id={(t) => t.name} href={(t) => agentLink(`catalogue/${t.name}`)} keyboard
            columns={[
              { name: "Event", main: true, cell: (t) => <a class="cell-link" href={agentLink(`catalogue/${t.name}`)}><code class="strong">{t.name}</code></a> },
              { name: "When", cell: (t) => t.description },
              { name: "Available", cell: (t) => (t.available ? <Badge tone="good" icon="ok">Available</Badge> : <Badge icon="lock">Not in this plan</Badge>) },
            ]}
          />
        )}
      </Load>
    </Page>
  );
}
