import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { agentLink, agentPath, useAgentId } from "../../core/agent.ts";
import { ApiError, path } from "../../core/api.ts";
import { inboxes } from "../../core/client.ts";
import { count } from "../../core/format.ts";
import { useLoad, usePages } from "../../core/load.ts";
import { Paced } from "../../core/paced.ts";
import { usePoll } from "../../core/poll.ts";
import { go } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { useStream } from "../../core/stream.ts";
import type { Inbox, StreamEvent } from "../../core/types.ts";
import type { PageProps } from "../../routes.ts";
import { ButtonLink, ConfirmDialog, ErrorState, Loading, Load, Menu, More, Page, toast } from "../../ui/index.ts";
import { DeleteInbox } from "./delete.tsx";
import { InboxFacts } from "./facts.tsx";
import { RenameInbox } from "./rename.tsx";
import { NothingYet, RequestList } from "./requests.tsx";
import { inboxName, mergeRequests } from "./words.ts";

const perPage = 100;
/** Milliseconds from the end of a look for new requests to the next. */
const apart = 250;

export default function InboxDetail({ params }: PageProps) {
  const agent = useAgentId();
  const id = params["id"] ?? "";
  const inbox = useLoad((signal) => inboxes.get(agent, id, signal), [agent, id]);
  const requests = usePages((cursor, signal) => inboxes.requests(agent, id, { cursor, limit: perPage }, signal), [agent, id]);
  const [dialog, setDialog] = useState<"delete" | "empty" | "rename" | null>(null);
  const refresh = useRefresh(agent, id, inbox.data, requests, inbox.reload);
  const name = inbox.data === undefined ? "Inbox" : inboxName(inbox.data);
  const write = can("endpoints:write");
  const actions = inbox.data !== undefined && write && (
    <>
      <ButtonLink kind={inbox.data.endpoint_ids.length === 0 && requests.rows.length > 0 ? "primary" : "normal"} icon="webhook" href={agentLink("webhooks/new", { inbox: id })}>Create a webhook with it</ButtonLink>
      <Menu
        label="More actions"
        buttonClass="btn btn-icon"
        items={[
          { label: "Rename…", icon: "edit", onSelect: () => setDialog("rename") },
          { label: "Empty…", icon: "canceled", disabled: requests.rows.length === 0, onSelect: () => setDialog("empty") },
          "rule",
          { label: "Delete…", icon: "delete", danger: true, onSelect: () => setDialog("delete") },
        ]}
      />
    </>
  );
  return (
    <Page title={name} crumbs={[{ label: "Inbox", href: agentLink("inbox") }]} actions={actions}>
      <Load of={inbox} lines={3}>
        {(i) => (
          <>
            <InboxFacts agent={agent} inbox={i} onChange={(next) => inbox.set(() => next)} />
            {requests.starting && <Loading label="Loading the requests" />}
            {requests.error !== undefined && requests.rows.length === 0 && <ErrorState error={requests.error} onRetry={requests.reload} />}
            {!requests.starting && requests.error === undefined && requests.rows.length === 0 && <NothingYet inbox={i} />}
            {requests.rows.length > 0 && (
              <RequestList
                rows={requests.rows}
                foot={requests.hasMore ? <More shown={requests.rows.length} noun="request" hasMore loading={requests.loading} onMore={requests.more} /> : undefined}
              />
            )}
            {dialog === "delete" && <DeleteInbox agent={agent} inbox={i} onClose={() => setDialog(null)} onDone={() => go(agentPath("inbox"))} />}
            {dialog === "rename" && <RenameInbox agent={agent} inbox={i} onClose={() => setDialog(null)} onDone={(next) => inbox.set(() => next)} />}
            {dialog === "empty" && (
              <ConfirmDialog
                title={`Empty ${inboxName(i)}?`} action="Empty inbox" danger onClose={() => setDialog(null)}
                onConfirm={async () => {
                  await inboxes.empty(agent, id);
                  requests.set(() => []);
                  refresh();
                  toast("The inbox is empty");
                }}
              >
                <p>{count(i.requests, "received request")} {i.requests === 1 ? "is" : "are"} deleted. The URL stays, and so do the deliveries in the log.</p>
              </ConfirmDialog>
            )}
          </>
        )}
      </Load>
    </Page>
  );
}

interface Rows {
  readonly rows: readonly unknown[];
  readonly set: (change: (rows: readonly Parameters<typeof mergeRequests>[0][number][]) => readonly Parameters<typeof mergeRequests>[0][number][]) => void;
}

/** Looks for new requests when a delivery ends at this inbox, and every 3 s for those from elsewhere. */
function useRefresh(agent: string, id: string, inbox: Inbox | undefined, requests: Rows, reload: () => void): () => void {
  const { set } = requests;
  // A busy webhook ends many deliveries a second: they are few requests, and each answer is newer than the one before.
  const paced = useMemo(() => new Paced(async (signal) => {
    try {
      const page = await inboxes.requests(agent, id, { limit: perPage }, signal);
      if (signal.aborted) return;
      let changed = false;
      set((rows) => {
        const next = mergeRequests(rows, page.data, page.next_cursor === null);
        changed = next !== rows;
        return next;
      });
      if (changed) reload();
    } catch (error) {
      // What is away for good is told by the inbox itself; all else passes.
      if (error instanceof ApiError && error.status === 404) reload();
    }
  }, apart), [agent, id, set, reload]);
  useEffect(() => () => paced.stop(), [paced]);
  const refresh = useCallback(() => paced.run(), [paced]);
  usePoll(3_000, refresh);
  const users = inbox?.endpoint_ids.join(" ") ?? "";
  const listen = useCallback(
    (event: StreamEvent) => {
      if (event.type === "endpoint") reload();
      else if (event.type === "delivery" && event.data.attempt !== null && users.split(" ").includes(event.data.endpoint_id)) refresh();
    },
    [users, refresh, reload],
  );
  useStream(path`v1/agents/${agent}/stream`, {}, listen);
  return refresh;
}
