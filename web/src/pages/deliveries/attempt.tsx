import { curlOf } from "../../core/curl.ts";
import { explain } from "../../core/explain.ts";
import { localTime, milliseconds } from "../../core/format.ts";
import { outcomePhrase } from "../../core/state.ts";
import type { Attempt, HeaderMap } from "../../core/types.ts";
import { Badge, CodeBlock, CopyButton, Icon, Time, TimelineBar } from "../../ui/index.ts";

/** One attempt: what was sent, what came back, where the time went. */
export function AttemptView({ attempt: a, open = false, explained = false }: { readonly attempt: Attempt; readonly open?: boolean; /** Its failure is explained elsewhere on the page. */ readonly explained?: boolean }) {
  const good = a.reason === "delivered";
  return (
    <details class="attempt" open={open}>
      <summary class="attempt-head">
        <span class={good ? "tone-good tone-text attempt-mark" : "tone-bad tone-text attempt-mark"}><Icon name={good ? "ok" : "failed"} /></span>
        <span class="strong">Attempt {a.number}</span>
        <Badge tone={good ? "good" : "bad"}>{outcomePhrase(a.reason, a.status_code)}</Badge>
        <span class="muted small">{milliseconds(a.duration_ms)}</span>
        <span class="muted small push" title={localTime(a.started_at)}><Time at={a.started_at} /></span>
        <span class="attempt-arrow muted"><Icon name="down" size="s" /></span>
      </summary>
      <div class="attempt-body stack">
        <AttemptContent attempt={a} explained={explained} />
      </div>
    </details>
  );
}

/** What is inside an attempt, without its heading. */
function AttemptContent({ attempt: a, explained = false }: { readonly attempt: Attempt; readonly explained?: boolean }) {
  const why = explained ? null : explain(a.reason, a.status_code, a);
  const curl = curlOf(a.request);
  return (
    <>
      {why !== null && <p><strong>{why.title}.</strong> {why.cause} {why.fix}</p>}
      {a.error !== null && <p class="small muted">What we noticed: {a.error}.</p>}
      <section class="stack stack-s">
        <h4 class="part-title">Time</h4>
        <TimelineBar timing={a.timing_ms} />
      </section>
      <section class="stack stack-s">
        <h4 class="part-title">Answer</h4>
        <Answered attempt={a} />
      </section>
      <section class="stack stack-s">
        <div class="row">
          <h4 class="part-title">Request</h4>
          <span class="push"><CopyButton text={curl.command} label="Copy as cURL" /></span>
        </div>
        <CodeBlock title="Request line and headers" text={`${a.request.method} ${a.request.url}\n${headerLines(a.request.headers)}`} />
        {a.request.body === null ? <p class="muted">The body is not kept any more: its event is past the time for which the log is kept.</p> : <CodeBlock title="Request body" json text={a.request.body} />}
        {curl.masked.length > 0 && <p class="small muted">The values of {curl.masked.join(", ")} are secret. They are masked here and in the copied command: put yours in before you run it.</p>}
      </section>
    </>
  );
}

function Answered({ attempt: { response, status_code } }: { readonly attempt: Attempt }) {
  if (response === null) return <p class="muted">There was no answer.</p>;
  return (
    <>
      <CodeBlock title="Status and headers" text={`HTTP ${status_code ?? ""}\n${headerLines(response.headers)}`} />
      {response.body === "" ? <p class="muted">The answer had no body.</p> : <CodeBlock title={response.truncated ? "Response body (the beginning)" : "Response body"} json text={response.body} />}
      {response.truncated && <p class="small muted">The answer was longer. Only its first 16 KiB are kept, and shown here.</p>}
    </>
  );
}

function headerLines(headers: HeaderMap): string {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");
}
