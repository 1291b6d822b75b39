import { agentLink } from "../../core/agent.ts";
import { collect } from "../../core/api.ts";
import { inboxes } from "../../core/client.ts";
import { explain } from "../../core/explain.ts";
import { milliseconds } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { outcomePhrase, type StateInfo, verdicts } from "../../core/state.ts";
import type { Attempt, DeliveryDetail, Endpoint } from "../../core/types.ts";
import { Badge, Banner, ButtonLink, CodeBlock, State, TimelineBar } from "../../ui/index.ts";
import { headerLines } from "./detail/headers.ts";

const delivered: StateInfo = { word: "The test was delivered", tone: "good", icon: "ok", text: "The receiver answered with a 2xx status." };
const failed: StateInfo = { word: "The test failed", tone: "bad", icon: "failed", text: "A test is not tried again by itself." };

interface TestResultProps {
  readonly endpoint: Endpoint;
  readonly delivery: DeliveryDetail;
}

/** What became of a test: status, timing, answer, and what to do next. */
export function TestResult({ endpoint, delivery: d }: TestResultProps) {
  const attempt = d.attempt_log.at(-1);
  const reason = attempt?.reason ?? d.reason;
  return (
    <div class="stack" role="status">
      <div class="row row-l">
        <State info={d.state === "delivered" ? delivered : failed} />
        <span class="row">
          <span class="tag">{d.event}</span>
          {reason !== null && <Badge tone={d.state === "delivered" ? "good" : "bad"}>{outcomePhrase(reason, attempt?.status_code ?? null)}</Badge>}
          {attempt !== undefined && <span class="muted number">in {milliseconds(attempt.duration_ms)}</span>}
        </span>
      </div>
      {d.state !== "delivered" && <Failure endpoint={endpoint} delivery={d} />}
      {attempt !== undefined && <TimelineBar timing={attempt.timing_ms} />}
      {attempt !== undefined && <Answer attempt={attempt} />}
      <Next endpoint={endpoint} delivery={d} />
    </div>
  );
}

/** The answers of a receiver that did not believe the signature. */
const disbelieved = (d: DeliveryDetail): boolean => [400, 401, 403].includes(d.last_status_code ?? 0);

function Failure({ endpoint, delivery: d }: TestResultProps) {
  const attempt = d.attempt_log.at(-1);
  const why = explain(attempt?.reason ?? d.reason ?? "canceled", attempt?.status_code ?? d.last_status_code);
  if (why === null) return null;
  return (
    <Banner tone="bad" title={why.title}>
      <p>{why.cause}</p>
      <p><strong>What to do:</strong> {why.fix}</p>
      {disbelieved(d) && endpoint.signed && <p><a href={agentLink(`webhooks/${endpoint.id}/security`, { delivery: d.id })}>Check the signature of this request</a></p>}
      <p>A test is sent once. Real events are tried again on the webhook's schedule.</p>
      {attempt?.error != null && <p class="small">In detail: <code class="anywhere">{attempt.error}</code></p>}
    </Banner>
  );
}

function Answer({ attempt: { request, response } }: { readonly attempt: Attempt }) {
  return (
    <>
      {response !== null && response.body !== "" && (
        <CodeBlock title={response.truncated ? "Answer of the receiver (the beginning)" : "Answer of the receiver"} json text={response.body} />
      )}
      {response !== null && response.body === "" && <p class="muted">The answer has no body.</p>}
      {response !== null && (
        <details class="wh-details">
          <summary>Headers of the answer</summary>
          <CodeBlock title="Headers of the answer" text={headerLines(response.headers)} />
        </details>
      )}
      <details class="wh-details">
        <summary>Request as it was sent</summary>
        <div class="stack stack-s">
          <CodeBlock title="Headers" text={`${request.method} ${request.url}\n${headerLines(request.headers)}`} />
          {request.body !== null && <CodeBlock title="Body" json text={request.body} />}
        </div>
      </details>
    </>
  );
}

/** Where to go from here. An inbox shows the request as it arrived; another receiver has to check the signature itself. */
function Next({ endpoint: e, delivery: d }: TestResultProps) {
  const found = useLoad(async (signal) => {
    const all = await collect((cursor) => inboxes.list(e.agent_id, { cursor, limit: 250 }, signal));
    const inbox = all.find((i) => i.url === e.url || i.endpoint_ids.includes(e.id));
    if (inbox === undefined) return null;
    const page = await inboxes.requests(e.agent_id, inbox.id, { limit: 50 }, signal);
    return { inbox, request: page.data.find((r) => r.delivery_id === d.id) };
  }, [e.id, d.id]);
  const { inbox, request } = found.data ?? {};
  return (
    <>
      {found.data === null && d.state === "delivered" && (
        <p class="muted">
          {e.signed ? "Does your receiver check the signature? " : "The request was not signed: your receiver cannot tell who sent it. "}
          <a href={agentLink(`webhooks/${e.id}/security`)}>{e.signed ? "The code for that is under Security." : "Set a secret under Security."}</a>
        </p>
      )}
      <div class="row">
        {request !== undefined && <State badge info={{ ...verdicts[request.verdict.status], text: request.verdict.text }} />}
        {inbox !== undefined && <ButtonLink size="small" icon="inbox" href={agentLink(`inbox/${inbox.id}`, { request: request?.id })}>See it in the inbox</ButtonLink>}
        <ButtonLink size="small" icon="deliveries" href={agentLink(`deliveries/${d.id}`)}>Show the whole delivery</ButtonLink>
      </div>
    </>
  );
}
