import { useEffect, useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { collect, isAbort } from "../../core/api.ts";
import { endpoints, eventTypes, inboxes } from "../../core/client.ts";
import { explain } from "../../core/explain.ts";
import { milliseconds, urlParts } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { outcomePhrase, type StateInfo, verdicts } from "../../core/state.ts";
import type { DeliveryDetail, Endpoint, InboxRequest } from "../../core/types.ts";
import { Badge, Banner, Button, ButtonLink, CodeBlock, Dialog, ErrorState, Field, Icon, Loading, Select, State, TimelineBar } from "../../ui/index.ts";

export type TestState =
  | { readonly kind: "running" }
  | { readonly kind: "done"; readonly delivery: DeliveryDetail }
  | { readonly kind: "failed"; readonly error: unknown };

/** Sends a test and waits for its end. */
export function runTest(endpoint: Endpoint, event: string, show: (state: TestState) => void, signal?: AbortSignal): void {
  show({ kind: "running" });
  endpoints.test(endpoint.agent_id, endpoint.id, event === "" ? {} : { event }, signal).then(
    (delivery) => show({ kind: "done", delivery }),
    (error: unknown) => {
      if (!isAbort(error)) show({ kind: "failed", error });
    },
  );
}

const delivered: StateInfo = { word: "The test was delivered", tone: "good", icon: "ok", text: "The receiver answered with a 2xx status." };
const failed: StateInfo = { word: "The test failed", tone: "bad", icon: "failed", text: "A test is not tried again by itself." };

/** What became of a test: status, timing, and what to do about a failure. */
export function TestResult({ endpoint, state }: { readonly endpoint: Endpoint; readonly state: TestState }) {
  if (state.kind === "running") {
    return <div class="row" role="status"><Icon name="busy" spin /> Sending a test to {urlParts(endpoint.url).host} and waiting for its answer…</div>;
  }
  if (state.kind === "failed") return <ErrorState title="The test could not be sent" error={state.error} />;
  return <TestAnswer endpoint={endpoint} delivery={state.delivery} />;
}

function TestAnswer({ endpoint, delivery: d }: { readonly endpoint: Endpoint; readonly delivery: DeliveryDetail }) {
  const attempt = d.attempt_log.at(-1);
  const good = d.state === "delivered";
  const reason = attempt?.reason ?? d.reason;
  const why = good || reason === null ? null : explain(reason, attempt?.status_code ?? d.last_status_code);
  return (
    <div class="stack" role="status">
      <div class="row row-l">
        <State info={good ? delivered : failed} />
        <span class="row">
          <span class="tag">{d.event}</span>
          {reason !== null && <Badge tone={good ? "good" : "bad"}>{outcomePhrase(reason, attempt?.status_code ?? null)}</Badge>}
          {attempt !== undefined && <span class="muted number">in {milliseconds(attempt.duration_ms)}</span>}
        </span>
      </div>
      {why !== null && (
        <Banner tone="bad" title={why.title}>
          <p>{why.cause}</p>
          <p><strong>What to do:</strong> {why.fix}</p>
          <p>A test is sent once. Real events are tried again on the webhook's schedule.</p>
        </Banner>
      )}
      {attempt !== undefined && attempt.error !== null && <p class="small muted anywhere">In detail: {attempt.error}</p>}
      {attempt !== undefined && <TimelineBar timing={attempt.timing_ms} />}
      {attempt?.response != null && attempt.response.body !== "" && (
        <CodeBlock title={attempt.response.truncated ? "Answer of the receiver (the beginning)" : "Answer of the receiver"} json text={attempt.response.body} />
      )}
      <div class="row">
        <InboxLink endpoint={endpoint} delivery={d} />
        <ButtonLink size="small" icon="deliveries" href={agentLink(`deliveries/${d.id}`)}>Show the whole delivery</ButtonLink>
      </div>
    </div>
  );
}

/** Where the receiver is an inbox of this agent: the request as it arrived there. */
function InboxLink({ endpoint: e, delivery }: { readonly endpoint: Endpoint; readonly delivery: DeliveryDetail }) {
  const found = useLoad(async (signal) => {
    const all = await collect((cursor) => inboxes.list(e.agent_id, { cursor, limit: 250 }, signal));
    const inbox = all.find((i) => i.url === e.url || i.endpoint_ids.includes(e.id));
    if (inbox === undefined) return null;
    const page = await inboxes.requests(e.agent_id, inbox.id, { limit: 50 }, signal);
    return { inbox, request: page.data.find((r) => r.delivery_id === delivery.id) };
  }, [e.id, delivery.id]);
  if (found.data == null) return null;
  const { inbox, request } = found.data;
  return (
    <>
      {request !== undefined && <Verdict request={request} />}
      <ButtonLink size="small" icon="inbox" href={agentLink(`inbox/${inbox.id}`, { request: request?.id })}>See it in the inbox</ButtonLink>
    </>
  );
}

const Verdict = ({ request }: { readonly request: InboxRequest }) => <State badge info={{ ...verdicts[request.verdict.status], text: request.verdict.text }} />;

/** Sends tests from the list of webhooks. */
export function TestDialog({ endpoint, onClose }: { readonly endpoint: Endpoint; readonly onClose: () => void }) {
  const [event, setEvent] = useState("");
  const [state, setState] = useState<TestState | null>(null);
  const [abort] = useState(() => new AbortController());
  useEffect(() => () => abort.abort(), [abort]);
  const types = useLoad((signal) => collect((cursor) => eventTypes.list({ agent_id: endpoint.agent_id, cursor, limit: 250 }, signal)), [endpoint.agent_id]);
  const first = endpoint.events.find((name) => name !== "*") ?? "lead.submit";
  const names = (types.data ?? []).filter((t) => t.available).map((t) => t.name);
  const options = [...new Set([first, ...names])].map((name) => ({ value: name, label: name }));
  const busy = state?.kind === "running";
  const foot = (
    <>
      <Button onClick={onClose}>Close</Button>
      <Button kind="primary" icon="test" busy={busy} onClick={() => runTest(endpoint, event === "" ? first : event, setState, abort.signal)}>{state === null ? "Send test" : "Send again"}</Button>
    </>
  );
  return (
    <Dialog title={`Send a test to ${urlParts(endpoint.url).host}`} onClose={onClose} foot={foot} wide>
      <p class="muted">A real, signed request with an example. It is sent once, also while the webhook is paused, and is listed in the delivery log.</p>
      {types.data === undefined && types.error === undefined ? <Loading lines={1} /> : (
        <Field label="Event">{(control) => <Select {...control} value={event === "" ? first : event} options={options} onValue={setEvent} disabled={busy} />}</Field>
      )}
      {state !== null && <TestResult endpoint={endpoint} state={state} />}
    </Dialog>
  );
}

