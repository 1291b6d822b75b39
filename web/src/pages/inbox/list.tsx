import { agentLink, agentPath, useAgentId } from "../../core/agent.ts";
import { inboxes } from "../../core/client.ts";
import { number } from "../../core/format.ts";
import { usePages } from "../../core/load.ts";
import { go } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { Button, CopyText, Empty, ErrorState, Loading, Page, Table, Time, toastError } from "../../ui/index.ts";

export default function InboxList() {
  const agent = useAgentId();
  const list = usePages((cursor, signal) => inboxes.list(agent, { cursor }, signal), [agent]);
  const create = (): void => {
    inboxes.create(agent).then((inbox) => go(agentPath(`inbox/${inbox.id}`)), toastError);
  };
  const add = can("endpoints:write") && <Button kind="primary" icon="add" onClick={create}>New inbox</Button>;
  return (
    <Page title="Inbox" lead="A throw-away URL on this server that shows what arrives, and whether its signature fits." actions={add}>
      {list.starting && <Loading />}
      {list.error !== undefined && <ErrorState error={list.error} onRetry={list.reload} />}
      {!list.starting && list.error === undefined && list.rows.length === 0 && (
        <Empty icon="inbox" title="No inbox yet" action={add}>Make one, use its URL in a webhook, and send a test: you see the request without a receiver of your own.</Empty>
      )}
      {list.rows.length > 0 && (
        <Table
          label="Inboxes" rows={list.rows} id={(i) => i.id} href={(i) => agentLink(`inbox/${i.id}`)} keyboard
          columns={[
            { name: "Name", main: true, cell: (i) => <a class="cell-link strong" href={agentLink(`inbox/${i.id}`)}>{i.name || i.id}</a> },
            { name: "URL", cell: (i) => <CopyText text={i.url} label="Inbox URL" /> },
            { name: "Requests", align: "end", cell: (i) => number(i.requests) },
            { name: "Last request", cell: (i) => <Time at={i.last_request_at} /> },
          ]}
        />
      )}
    </Page>
  );
}
