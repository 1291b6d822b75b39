import { useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { now } from "../../core/clock.ts";
import { endpoints, inboxes } from "../../core/client.ts";
import { absoluteUtc, count } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { can } from "../../core/session.ts";
import { webhookState, webhookStates } from "../../core/state.ts";
import type { Endpoint, Inbox } from "../../core/types.ts";
import { Card, CopyButton, CopyText, Field, KeyValue, Select, State, toast, toastError } from "../../ui/index.ts";
import { answerOptions, expiry } from "./words.ts";

/** The inbox's URL, what it answers, and who uses it. */
export function InboxFacts({ agent, inbox, onChange }: { readonly agent: string; readonly inbox: Inbox; readonly onChange: (inbox: Inbox) => void }) {
  return (
    <Card>
      <div class="stack">
        <div class="inbox-url">
          <code class="anywhere strong">{inbox.url}</code>
          <CopyButton text={inbox.url} label="Copy URL" small={false} />
        </div>
        <hr class="rule" />
        <div class="split">
          <KeyValue
            facts={[
              { name: "Received", value: count(inbox.requests, "request") },
              { name: "Deleted by itself", value: <span title={inbox.expires_at === null ? undefined : absoluteUtc(inbox.expires_at)}>{expiry(inbox, now.value)}{inbox.expires_at !== null && ", later if it is used"}</span> },
              { name: "Used by", value: <Users agent={agent} ids={inbox.endpoint_ids} /> },
              { name: "Inbox", value: <CopyText text={inbox.id} label="Inbox id" /> },
            ]}
          />
          <Answer agent={agent} inbox={inbox} onChange={onChange} />
        </div>
      </div>
    </Card>
  );
}

/** The webhooks that send here, by their descriptions or events: their URLs are all the inbox's. */
function Users({ agent, ids }: { readonly agent: string; readonly ids: readonly string[] }) {
  const key = ids.join(" ");
  const users = useLoad((signal) => Promise.all(ids.map((id) => endpoints.get(agent, id, signal).catch(() => null))), [agent, key]);
  if (ids.length === 0) return <span class="muted">No webhook yet</span>;
  return (
    <ul class="stack stack-s">
      {ids.map((id) => {
        const user = users.data?.find((e) => e?.id === id);
        const named = user?.description ?? "";
        return (
          <li key={id} class="row">
            <a href={agentLink(`webhooks/${id}`)} class="truncate">{named !== "" ? named : user != null ? webhookWords(user) : id}</a>
            {user !== undefined && user !== null && <State info={webhookStates[webhookState(user)]} />}
          </li>
        );
      })}
    </ul>
  );
}

function webhookWords({ events }: Endpoint): string {
  if (events.includes("*")) return "Webhook for all events";
  return `Webhook for ${events.length === 1 ? events[0] : count(events.length, "event")}`;
}

function Answer({ agent, inbox, onChange }: { readonly agent: string; readonly inbox: Inbox; readonly onChange: (inbox: Inbox) => void }) {
  const [busy, setBusy] = useState(false);
  const choose = (value: string): void => {
    setBusy(true);
    inboxes.update(agent, inbox.id, { respond_status: Number(value) }).then(
      (next) => {
        setBusy(false);
        onChange(next);
        toast(`The inbox answers ${next.respond_status} from now on`);
      },
      (error: unknown) => {
        setBusy(false);
        toastError(error);
      },
    );
  };
  const failing = inbox.respond_status >= 300;
  return (
    <Field label="It answers" hint={failing ? "Deliveries to it fail on purpose and are tried again. Set it back to 200 to let them arrive." : "Choose an error to see how a webhook behaves when its receiver fails."}>
      {(control) => <Select {...control} value={String(inbox.respond_status)} onValue={choose} options={answerOptions(inbox.respond_status)} disabled={busy || !can("endpoints:write")} />}
    </Field>
  );
}
