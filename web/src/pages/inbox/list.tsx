import { useState } from "preact/hooks";
import { agentLink, agentPath, useAgentId } from "../../core/agent.ts";
import { now } from "../../core/clock.ts";
import { inboxes } from "../../core/client.ts";
import { absoluteUtc, count, number } from "../../core/format.ts";
import { usePages } from "../../core/load.ts";
import { usePoll } from "../../core/poll.ts";
import { go } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import type { Inbox } from "../../core/types.ts";
import { Banner, Button, ButtonLink, CopyText, Empty, ErrorState, Loading, Menu, More, Page, Table, Time, toast, toastError } from "../../ui/index.ts";
import { DeleteInbox } from "./delete.tsx";
import { expiry, inboxName, nextInboxName } from "./words.ts";

export default function InboxList() {
  const agent = useAgentId();
  const list = usePages((cursor, signal) => inboxes.list(agent, { cursor }, signal), [agent]);
  const [busy, setBusy] = useState(false);
  const [deleting, setDeleting] = useState<Inbox | null>(null);
  usePoll(10_000, () => { if (!list.loading && !list.hasMore) list.reload(); });
  const create = (): void => {
    setBusy(true);
    inboxes.create(agent, { name: nextInboxName(list.rows) }).then(
      (inbox) => {
        toast(`${inboxName(inbox)} is ready`);
        go(agentPath(`inbox/${inbox.id}`));
      },
      (error: unknown) => {
        setBusy(false);
        toastError(error);
      },
    );
  };
  const write = can("endpoints:write");
  const add = write && <Button kind="primary" icon="add" busy={busy} onClick={create}>New inbox</Button>;
  const none = !list.starting && list.error === undefined && list.rows.length === 0;
  return (
    <Page
      title="Inbox" actions={none ? undefined : add}
      lead="A throw-away URL on this server. It shows what arrives and whether the signature fits, so you can try a webhook without a receiver of your own."
    >
      {list.starting && <Loading />}
      {list.error !== undefined && (list.rows.length === 0 ? <ErrorState error={list.error} onRetry={list.reload} /> : <Banner tone="warn" action={<Button size="small" onClick={list.reload}>Try again</Button>}>The list could not be refreshed.</Banner>)}
      {none && (
        <Empty icon="inbox" title="No inbox yet" action={add}>
          {write ? "Make one with a click, let a webhook send to it, and press “Send test” there: the request appears here." : "Somebody who may change webhooks can make one; what it receives appears here."}
        </Empty>
      )}
      {list.rows.length > 0 && (
        <Table
          label="Inboxes" rows={list.rows} id={(i) => i.id} href={(i) => agentLink(`inbox/${i.id}`)} keyboard
          columns={[
            { name: "Name", main: true, cell: (i) => <NameCell inbox={i} /> },
            { name: "Received", align: "end", cell: (i) => <span class="number">{number(i.requests)}</span> },
            { name: "Last request", cell: (i) => <span class="nowrap"><Time at={i.last_request_at} none="nothing yet" /></span> },
            { name: "Used by", cell: (i) => <UsedBy inbox={i} /> },
            { name: "Answers", cell: (i) => <span class="tag">{i.respond_status}</span> },
            { name: "Deleted by itself", cell: (i) => <span class="nowrap" title={i.expires_at === null ? undefined : absoluteUtc(i.expires_at)}>{expiry(i, now.value)}</span> },
            ...(write ? [{ name: "Actions", actions: true, cell: (i: Inbox) => <RowMenu inbox={i} onDelete={() => setDeleting(i)} /> }] : []),
          ]}
          foot={list.hasMore ? <More shown={list.rows.length} noun="inbox" hasMore loading={list.loading} onMore={list.more} /> : undefined}
        />
      )}
      {deleting !== null && (
        <DeleteInbox agent={agent} inbox={deleting} onClose={() => setDeleting(null)} onDone={() => list.set((rows) => rows.filter((i) => i.id !== deleting.id))} />
      )}
    </Page>
  );
}

function NameCell({ inbox }: { readonly inbox: Inbox }) {
  return (
    <div class="type-cell">
      <a class="cell-link strong" href={agentLink(`inbox/${inbox.id}`)}>{inboxName(inbox)}</a>
      <span class="muted"><CopyText text={inbox.url} label="Inbox URL" /></span>
    </div>
  );
}

function UsedBy({ inbox }: { readonly inbox: Inbox }) {
  const [first, ...rest] = inbox.endpoint_ids;
  if (first !== undefined) return <a href={agentLink(rest.length === 0 ? `webhooks/${first}` : `inbox/${inbox.id}`)}>{count(inbox.endpoint_ids.length, "webhook")}</a>;
  if (!can("endpoints:write")) return <span class="muted">No webhook</span>;
  return <ButtonLink size="small" icon="webhook" href={agentLink("webhooks/new", { inbox: inbox.id })}>Create a webhook with it</ButtonLink>;
}

function RowMenu({ inbox, onDelete }: { readonly inbox: Inbox; readonly onDelete: () => void }) {
  return (
    <Menu
      label={`Actions for ${inboxName(inbox)}`}
      items={[
        { label: "Open", icon: "inbox", href: agentLink(`inbox/${inbox.id}`) },
        { label: "Create a webhook with it", icon: "webhook", href: agentLink("webhooks/new", { inbox: inbox.id }) },
        "rule",
        { label: "Delete…", icon: "delete", danger: true, onSelect: onDelete },
      ]}
    />
  );
}
