import { agentLink, useAgentId } from "../../core/agent.ts";
import { inboxes } from "../../core/client.ts";
import { useLoad, usePages } from "../../core/load.ts";
import { verdicts } from "../../core/state.ts";
import type { PageProps } from "../../routes.ts";
import { Button, Card, CodeBlock, CopyText, Empty, Load, Page, State } from "../../ui/index.ts";

export default function InboxDetail({ params }: PageProps) {
  const agent = useAgentId();
  const id = params["id"] ?? "";
  const inbox = useLoad((signal) => inboxes.get(agent, id, signal), [agent, id]);
  const requests = usePages((cursor, signal) => inboxes.requests(agent, id, { cursor }, signal), [agent, id]);
  return (
    <Page title={inbox.data?.name || "Inbox"} crumbs={[{ label: "Inbox", href: agentLink("inbox") }]} actions={<Button icon="retry" busy={requests.loading} onClick={requests.reload}>Refresh</Button>}>
      <Load of={inbox} lines={2}>{(i) => <Card><CopyText text={i.url} label="Inbox URL" /></Card>}</Load>
      {!requests.starting && requests.rows.length === 0 && <Empty icon="inbox" title="Nothing has arrived yet">Send a test from a webhook with this URL.</Empty>}
      {requests.rows.map((r) => (
        <Card key={r.id} title={`${r.method} ${r.event ?? ""}`} actions={<State badge info={verdicts[r.verdict.status]} />} lead={r.verdict.text}>
          <CodeBlock title="Body" json text={r.body} />
        </Card>
      ))}
    </Page>
  );
}
