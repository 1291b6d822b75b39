import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { localTime, number } from "../../core/format.ts";
import { useShortcuts } from "../../core/keys.ts";
import { param, setQuery } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { verdicts } from "../../core/state.ts";
import type { Inbox, InboxRequest } from "../../core/types.ts";
import { Banner, ButtonLink, Card, CodeBlock, CopyText, Empty, Icon, KeyValue, State, Time } from "../../ui/index.ts";
import { curlExample } from "./words.ts";

/**
 * What arrived, newest first. One is open: the one that the address names, else
 * the one that was the newest at first, so that nothing that is read goes away.
 */
export function RequestList({ rows, foot }: { readonly rows: readonly InboxRequest[]; readonly foot?: ComponentChildren }) {
  const list = useRef<HTMLUListElement>(null);
  const pinned = useRef("");
  if (!rows.some((r) => r.id === pinned.current)) pinned.current = rows[0]?.id ?? "";
  const named = param("request");
  const open = named === "" ? pinned.current : named;
  const openAt = rows.findIndex((r) => r.id === open);
  const keys = useMemo(() => {
    const move = (step: number): void => {
      const next = rows[Math.min(rows.length - 1, Math.max(0, openAt + step))];
      if (next === undefined) return;
      setQuery({ request: next.id });
      list.current?.querySelector<HTMLElement>(`[data-id="${next.id}"]`)?.focus();
    };
    return [
      { key: "j", label: "Next request", run: () => move(1) },
      { key: "k", label: "Previous request", run: () => move(-1) },
    ];
  }, [rows, openAt]);
  useShortcuts(keys);
  return (
    <section class="stack stack-s" aria-label="Received requests">
      <div class="row"><h2>Received requests</h2><span class="muted">Newest first; new ones appear by themselves.</span></div>
      <div class="table-wrap">
        <ul class="list-plain inbox-list" ref={list}>
          {rows.map((r) => (
            <li key={r.id}>
              <button
                type="button" class="inbox-head" data-id={r.id} aria-expanded={r.id === open}
                onClick={() => setQuery({ request: r.id === open ? "none" : r.id })}
              >
                <Icon name={r.id === open ? "down" : "right"} size="s" />
                <State info={verdicts[r.verdict.status]} />
                <span class="tag">{r.method}</span>
                <span class="truncate">{r.event === null ? <span class="muted">From outside</span> : <code class="strong">{r.event}</code>}</span>
                <span class="push muted"><span class="inbox-answered">answered {r.answered_status}, </span><Time at={r.received_at} /></span>
              </button>
              {r.id === open && <Request request={r} />}
            </li>
          ))}
        </ul>
        {foot}
      </div>
    </section>
  );
}

const verdictTones = { verified: "good", failed: "bad", unsigned: "info", unknown: "info" } as const;

function Request({ request: r }: { readonly request: InboxRequest }) {
  return (
    <div class="inbox-request stack">
      <Banner tone={verdictTones[r.verdict.status]} title={verdicts[r.verdict.status].word}>{r.verdict.text}</Banner>
      <KeyValue
        facts={[
          { name: "Received", value: <>{localTime(r.received_at)} (<Time at={r.received_at} />)</> },
          { name: "Answered", value: String(r.answered_status) },
          r.verdict.header === null ? null : { name: "Signature in", value: <code>{r.verdict.header}</code> },
          r.delivery_id === null
            ? { name: "Sent by", value: "Somebody else, not a webhook of this agent" }
            : { name: "Delivery", value: <span class="row"><a href={agentLink(`deliveries/${r.delivery_id}`)}>Show the delivery</a><span class="muted">{r.attempt === null ? "" : `attempt ${number(r.attempt)}`}</span></span> },
          { name: "Request", value: <CopyText text={r.id} label="Request id" /> },
        ]}
      />
      <div class="split">
        {r.body === "" ? <CodeBlock title="Body" text="(empty)" /> : <CodeBlock title={r.body_truncated ? "Body (only the beginning is kept)" : "Body"} json text={r.body} />}
        <CodeBlock title="Headers" text={Object.entries(r.headers).map(([name, value]) => `${name}: ${value}`).join("\n")} />
      </div>
    </div>
  );
}

/** Nothing has arrived: what can be done about it. */
export function NothingYet({ inbox }: { readonly inbox: Inbox }) {
  const users = inbox.endpoint_ids;
  const [first] = users;
  return (
    <Card>
      <Empty
        icon="inbox" title="Waiting for the first request"
        action={
          first !== undefined ? <ButtonLink icon="test" href={agentLink(`webhooks/${first}/testing`)}>Send a test from the webhook</ButtonLink>
            : can("endpoints:write") && <ButtonLink kind="primary" icon="webhook" href={agentLink("webhooks/new", { inbox: inbox.id })}>Create a webhook with it</ButtonLink>
        }
      >
        {first === undefined ? "Create a webhook that sends here, then send a test." : "A webhook sends here. Its next event appears on this page by itself."} Or run this command:
      </Empty>
      <div class="inbox-curl"><CodeBlock title="Try it from a terminal" text={curlExample(inbox.url)} /></div>
    </Card>
  );
}
