import { agentLink } from "../../../core/agent.ts";
import { collect } from "../../../core/api.ts";
import { inboxes } from "../../../core/client.ts";
import { duration, number, profileTitle } from "../../../core/format.ts";
import { useLoad } from "../../../core/load.ts";
import { can } from "../../../core/session.ts";
import { warnings } from "../../../core/state.ts";
import type { Endpoint } from "../../../core/types.ts";
import { ButtonLink, Card, CopyText, KeyValue, Time } from "../../../ui/index.ts";

/** All that is set, in words; what may be changed is on the form. */
export function SettingsCard({ endpoint: e }: { readonly endpoint: Endpoint }) {
  const all = useLoad((signal) => collect((cursor) => inboxes.list(e.agent_id, { cursor, limit: 250 }, signal)), [e.agent_id]);
  const inbox = all.data?.find((i) => i.url === e.url);
  // What an inbox gets never leaves the server.
  const notes = e.warnings.filter((w) => w !== "no_events_selected" && !(w === "not_https" && inbox !== undefined));
  return (
    <Card title="Settings" actions={can("endpoints:write") && <ButtonLink size="small" icon="edit" href={agentLink(`webhooks/${e.id}/edit`)}>Edit</ButtonLink>}>
      <KeyValue
        facts={[
          { name: "URL", value: <span class="row"><CopyText text={e.url} label="URL"><span class="wh-url">{e.url}</span></CopyText>{inbox !== undefined && <a href={agentLink(`inbox/${inbox.id}`)}>Open the inbox</a>}</span> },
          { name: "Id", value: <CopyText text={e.id} label="Webhook id" /> },
          { name: "Events", value: <Events events={e.events} /> },
          { name: "Request", value: `${e.method}, up to ${duration(e.timeout_seconds)} for the answer` },
          { name: "Profile", value: e.format === e.profile ? profileTitle(e.profile) : `${profileTitle(e.profile)}, with the format ${e.format}` },
          { name: "Transcript", value: e.include_messages ? "Sent with events that have one" : "Not sent" },
          e.format === "standard" ? null : { name: "Standard headers", value: e.standard_headers ? "Sent, too: webhook-id, webhook-timestamp, webhook-signature" : "Not sent" },
          { name: "Signed", value: e.signed ? "Yes, with the webhook's secret" : "No: no secret is set" },
          { name: "Custom headers", value: e.headers.length === 0 ? "None" : <span class="row">{e.headers.map((h) => <span class="tag" key={h.name}>{h.name}: ••••</span>)}</span> },
          { name: "Retries", value: <Retries endpoint={e} /> },
          { name: "Rate limit", value: e.rate_limit_per_second === null ? "None" : `${number(e.rate_limit_per_second)} per second` },
          e.concurrency === null ? null : { name: "At once", value: `${number(e.concurrency)} requests at most` },
          ...notes.map((w) => ({ name: warnings[w].title, value: warnings[w].text })),
          { name: "Created", value: <Time at={e.created_at} /> },
          { name: "Changed", value: <Time at={e.updated_at} /> },
        ]}
      />
    </Card>
  );
}

function Events({ events }: { readonly events: readonly string[] }) {
  if (events.includes("*")) return <>All, now and later</>;
  if (events.length === 0) return <>None: nothing will be sent</>;
  return <span class="row">{events.map((name) => <a class="tag" key={name} href={agentLink(`catalogue/${name}`)}>{name}</a>)}</span>;
}

function Retries({ endpoint: { retry } }: { readonly endpoint: Endpoint }) {
  const { schedule_seconds: waits, window_seconds: window } = retry;
  if (waits.length === 0) return <>None: one attempt only</>;
  return (
    <span class="stack stack-s">
      <span>Up to {number(waits.length + 1)} attempts within {window === 86_400 ? "24 hours" : duration(window)}, policy {retry.policy}</span>
      <span class="muted small">Waits: {waits.map(duration).join(", ")}</span>
    </span>
  );
}
