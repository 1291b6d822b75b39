import { useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { now, second } from "../../core/clock.ts";
import { explain } from "../../core/explain.ts";
import { clockTime, count, duration, localTime, milliseconds, until, urlParts } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { deliveries } from "../../core/client.ts";
import { deliveryPhrase, deliveryStates, outcomePhrase, webhookStates } from "../../core/state.ts";
import type { Attempt, Delivery, DeliveryDetail, Endpoint } from "../../core/types.ts";
import { Banner, Button, ButtonLink, CopyText, KeyValue, State, Time, UrlText } from "../../ui/index.ts";
import { AttemptView } from "./attempt.tsx";
import { attemptsOf, webhookName, type Webhooks } from "./webhooks.ts";

interface StoryProps {
  readonly webhooks: Webhooks;
  readonly agent: string;
  /** The address of another delivery. */
  readonly hrefOf: (id: string) => string;
}

/** Everything about a delivery: how it stands and why, its attempts, and where else its event went. */
export function DeliveryStory({ delivery: d, webhooks, agent, hrefOf }: StoryProps & { readonly delivery: DeliveryDetail }) {
  const endpoint = webhooks.byId.get(d.endpoint_id);
  return (
    <div class="stack stack-l">
      <Outcome delivery={d} endpoint={endpoint} />
      <KeyValue
        facts={[
          { name: "State", value: <State info={deliveryStates[d.state]}>{deliveryPhrase(d, now.value, attemptsOf(endpoint))}</State> },
          { name: "Webhook", value: <WebhookLink id={d.endpoint_id} endpoint={endpoint} loaded={webhooks.loaded} /> },
          { name: "Event", value: <a href={agentLink(`catalogue/${encodeURIComponent(d.event)}`)}><code>{d.event}</code></a> },
          { name: "Event id", value: <CopyText text={d.event_id} label="Event id" /> },
          { name: "Delivery id", value: <CopyText text={d.id} label="Delivery id" /> },
          { name: "Accepted", value: <><Time at={d.created_at} /> <span class="muted small">{localTime(d.created_at)}</span></> },
          d.finished_at === null ? null : { name: "Ended", value: <><Time at={d.finished_at} /> <span class="muted small">{localTime(d.finished_at)}</span></> },
        ]}
      />
      {endpoint !== undefined && d.attempts > 0 && (
        <div class="row"><ButtonLink size="small" icon="verified" href={agentLink(`webhooks/${d.endpoint_id}/security`, { delivery: d.id })}>Check the signature</ButtonLink></div>
      )}
      <section class="stack stack-s" aria-label="Attempts">
        <h3>{d.attempt_log.length === 0 ? "No attempt yet" : count(d.attempt_log.length, "attempt")}</h3>
        <Attempts delivery={d} endpoint={endpoint} />
      </section>
      <Siblings delivery={d} webhooks={webhooks} agent={agent} hrefOf={hrefOf} />
    </div>
  );
}

function WebhookLink({ id, endpoint, loaded }: { readonly id: string; readonly endpoint: Endpoint | undefined; readonly loaded: boolean }) {
  if (endpoint === undefined) return loaded ? <span class="muted">Deleted webhook <code>{id}</code></span> : <code>{id}</code>;
  return <a href={agentLink(`webhooks/${id}`)} title={endpoint.url}><UrlText {...urlParts(endpoint.url)} wrap /></a>;
}

/** How it stands, why, and what to do. */
function Outcome({ delivery: d, endpoint }: { readonly delivery: DeliveryDetail; readonly endpoint: Endpoint | undefined }) {
  const last = d.attempt_log.at(-1);
  switch (d.state) {
    case "delivered":
      return <Banner tone="good" title="Delivered">{last === undefined ? "The receiver accepted it." : `The receiver answered HTTP ${last.status_code ?? ""} in ${milliseconds(last.duration_ms)}${d.attempts > 1 ? `, at attempt ${d.attempts}` : ""}.`}</Banner>;
    case "held":
      return (
        <Banner tone="info" title={`Held: the webhook is ${endpoint === undefined ? "stopped" : webhookStates[endpoint.state].word.toLowerCase()}`} action={endpoint !== undefined && <ButtonLink size="small" href={agentLink(`webhooks/${endpoint.id}`)}>Open webhook</ButtonLink>}>
          It is kept, and sent as soon as the webhook is resumed.
        </Banner>
      );
    case "pending":
      return <Banner tone="info" title="Waiting for the first attempt">It is sent in a moment, or when the webhook's rate limit lets it through.</Banner>;
    case "canceled":
      return <Why title="Canceled" tone="info" delivery={d} attempt={undefined} />;
    default:
      return <Why title={d.state === "failed" ? "Failed" : "Not delivered yet"} tone={d.state === "failed" ? "bad" : "warn"} delivery={d} attempt={last} />;
  }
}

function Why({ title, tone, delivery: d, attempt }: { readonly title: string; readonly tone: "bad" | "warn" | "info"; readonly delivery: Delivery; readonly attempt: Attempt | undefined }) {
  const reason = attempt?.reason ?? d.reason;
  const why = reason === null ? null : explain(reason, attempt?.status_code ?? d.last_status_code, attempt);
  if (why === null) return <Banner tone={tone} title={title}>{deliveryStates[d.state].text}</Banner>;
  return (
    <Banner tone={tone} title={why.title}>
      <p>{why.cause}</p>
      <p class="why-fix"><b>What to do:</b> {why.fix}</p>
      {d.reason === "expired" && <p>{count(d.attempts, "attempt")} failed, and no more follow by themselves.</p>}
    </Banner>
  );
}

/** More are folded, up to the latest: what happened last is what one looks for. */
const mostAttempts = 4;
const lastAttempts = 2;

/** Attempts, the waits between them, and what is planned. */
function Attempts({ delivery: d, endpoint }: { readonly delivery: DeliveryDetail; readonly endpoint: Endpoint | undefined }) {
  const last = d.attempt_log.at(-1);
  const [all, setAll] = useState(false);
  const folded = all || d.attempt_log.length <= mostAttempts ? 0 : d.attempt_log.length - lastAttempts;
  return (
    <ol class="attempts">
      {folded > 0 && <li><Button size="small" kind="quiet" icon="down" onClick={() => setAll(true)}>Show the {folded} attempts before</Button></li>}
      {d.attempt_log.map((a, i) => {
        if (i < folded) return null;
        const before = d.attempt_log[i - 1];
        const from = before === undefined ? Date.parse(d.created_at) : Date.parse(before.started_at) + before.duration_ms;
        const waited = (Date.parse(a.started_at) - from) / 1_000;
        return (
          <li key={a.number}>
            {waited >= 1 && <p class="attempt-wait">{before === undefined ? "Waited" : "Then a wait of"} {duration(waited)}</p>}
            <AttemptView attempt={a} open={a === last} explained={a === last && d.state !== "delivered" && d.state !== "canceled"} />
          </li>
        );
      })}
      {d.next_attempt_at !== null && <li><Planned delivery={d} at={d.next_attempt_at} endpoint={endpoint} /></li>}
    </ol>
  );
}

function Planned({ delivery: d, at, endpoint }: { readonly delivery: Delivery; readonly at: string; readonly endpoint: Endpoint | undefined }) {
  const soon = Date.parse(at) - now.value < 120_000;
  const wait = until(at, soon ? second.value : now.value);
  const later = endpoint?.retry.schedule_seconds.slice(d.attempts) ?? [];
  return (
    <p class="attempt-wait attempt-planned">
      <span class="strong">Attempt {d.attempts + 1} {wait === "" ? "is due now" : `follows in ${wait}`}</span>
      <span class="muted"> at <time dateTime={at} title={localTime(at)}>{clockTime(at)}</time></span>
      {d.attempts > 0 && later.length > 0 && <span class="muted">. If it fails, up to {count(later.length, "more attempt")} {later.length === 1 ? "follows" : "follow"} over about {duration(later.reduce((sum, s) => sum + s, 0))}.</span>}
    </p>
  );
}

/** The other webhooks that got the same event. */
function Siblings({ delivery: d, webhooks, agent, hrefOf }: StoryProps & { readonly delivery: Delivery }) {
  const same = useLoad((signal) => deliveries.list(agent, { event_id: d.event_id, limit: 50 }, signal), [agent, d.event_id]);
  const others = (same.data?.data ?? []).filter((other) => other.id !== d.id);
  const all = agentLink("deliveries", { id: d.event_id });
  return (
    <section class="stack stack-s" aria-label="The same event">
      <h3>The same event elsewhere</h3>
      {same.error !== undefined ? <p class="muted">This could not be loaded.</p> : others.length === 0 ? <p class="muted">{same.loading ? "Looking…" : "It went to no other webhook."}</p> : (
        <>
          <ul class="siblings">
            {others.map((other) => {
              const endpoint = webhooks.byId.get(other.endpoint_id);
              return (
                <li key={other.id}>
                  <a class="cell-link truncate" href={hrefOf(other.id)}>{endpoint === undefined ? other.endpoint_id : webhookName(endpoint)}</a>
                  <State info={deliveryStates[other.state]} />
                  <span class="muted small">{other.reason === null ? "" : outcomePhrase(other.reason, other.last_status_code)}</span>
                </li>
              );
            })}
          </ul>
          <p><a href={all}>All deliveries of this event</a></p>
        </>
      )}
    </section>
  );
}
