import { agentLink } from "../../../core/agent.ts";
import { explain } from "../../../core/explain.ts";
import { clockTime, milliseconds } from "../../../core/format.ts";
import { deliveryStates, outcomePhrase } from "../../../core/state.ts";
import type { Attempt, DeliveryDetail, Endpoint } from "../../../core/types.ts";
import { Banner, ButtonLink, Card, classes, CodeBlock, State, TimelineBar } from "../../../ui/index.ts";
import { headerLines } from "./headers.ts";

/** What the receiver answered to a test, and the request as it was sent. */
export function TestResult({ test, endpoint }: { readonly test: DeliveryDetail; readonly endpoint: Endpoint }) {
  const attempt = test.attempt_log.at(-1);
  const reason = test.reason ?? attempt?.reason ?? "canceled";
  const why = explain(reason, test.last_status_code);
  const good = test.state === "delivered";
  return (
    <Card
      title={<span class="row"><State badge info={deliveryStates[test.state]}>{attempt === undefined ? deliveryStates[test.state].word : outcome(attempt)}</State></span>}
      actions={<ButtonLink size="small" href={agentLink(`deliveries/${test.id}`)}>Open delivery</ButtonLink>}
    >
      <div class="stack">
        {why === null ? (
          <Banner tone="good" title="It works: the receiver took the event">{endpoint.signed ? "Does it check the signature, too? The code for that is under Security." : "The request was not signed. Set a secret under Security, so that the receiver can check who sent it."}</Banner>
        ) : (
          <Banner tone="bad" title={why.title}>
            <p>{why.cause}</p>
            <p>{why.fix}</p>
            {refused(test) && endpoint.signed && <p><a href={agentLink(`webhooks/${endpoint.id}/security`, { delivery: test.id })}>Check the signature of this request</a></p>}
            {attempt?.error !== null && attempt !== undefined && <p class="small"><code class="anywhere">{attempt.error}</code></p>}
          </Banner>
        )}
        {attempt !== undefined && <Story attempt={attempt} good={good} />}
      </div>
    </Card>
  );
}

/** The answers of a receiver that did not believe the signature. */
const refused = (test: DeliveryDetail): boolean => [400, 401, 403].includes(test.last_status_code ?? 0);

const outcome = (a: Attempt): string => `${outcomePhrase(a.reason, a.status_code)} in ${milliseconds(a.duration_ms)}`;

function Story({ attempt: a, good }: { readonly attempt: Attempt; readonly good: boolean }) {
  const { request, response } = a;
  return (
    <>
      <TimelineBar timing={a.timing_ms} />
      {response === null ? <p class="muted">{good ? "The answer was not kept." : "No answer came back."}</p> : (
        <>
          <CodeBlock title={response.truncated ? "Answer: the beginning; it was longer" : "Answer"} json text={response.body === "" ? "(empty)" : response.body} />
          <details class="wh-details">
            <summary>Headers of the answer</summary>
            <CodeBlock title="Headers of the answer" text={headerLines(response.headers)} />
          </details>
        </>
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

export interface TestHistoryProps {
  readonly tests: readonly DeliveryDetail[];
  readonly shown: string | undefined;
  readonly onShow: (id: string) => void;
}

/** The tests of this visit; all older ones are in the log. */
export function TestHistory({ tests, shown, onShow }: TestHistoryProps) {
  return (
    <Card title="Tests of this visit" flush>
      <ul class="wh-history">
        {tests.map((t) => {
          const attempt = t.attempt_log.at(-1);
          return (
            <li key={t.id}>
              <button type="button" class={classes("wh-test", "row-hover")} aria-pressed={t.id === shown} onClick={() => onShow(t.id)}>
                <State info={deliveryStates[t.state]}>{attempt === undefined ? deliveryStates[t.state].word : outcome(attempt)}</State>
                <code class="truncate grow">{t.event}</code>
                <time class="muted time" dateTime={t.created_at} title={t.created_at}>{clockTime(t.created_at)}</time>
              </button>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
