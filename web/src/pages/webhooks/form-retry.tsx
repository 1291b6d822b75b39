import { count, duration } from "../../core/format.ts";
import type { Profiles, Retry } from "../../core/types.ts";
import { Card } from "../../ui/index.ts";
import { attemptTimes, effectiveRetry } from "./form-model.ts";
import type { PartProps } from "./form-parts.ts";
import { spanWords } from "./form-waits.ts";

/** When a failed delivery is tried again, as a line of attempts and in words. */
export function RetryPart({ draft, setting }: PartProps) {
  const retry = effectiveRetry(draft, setting.profiles);
  return (
    <Card title="Retries">
      <div class="stack">
        <p>{retryText(retry)} {outcomeText(retry.policy, setting.profiles)}</p>
        <RetryLine retry={retry} />
      </div>
    </Card>
  );
}

function retryText(retry: Retry): string {
  const { times, beyond } = attemptTimes(retry);
  const last = times.at(-1) ?? 0;
  const window = `Nothing is tried later than ${spanWords(retry.window_seconds)} after the event.`;
  if (times.length === 1) return `Each event is tried once. ${beyond > 0 ? window : ""}`.trim();
  return `A delivery that fails is tried ${count(times.length, "time")} in all, the last about ${duration(last)} after the first; then it is marked as failed. ${window}`;
}

/** What counts as success and what is tried again, in the policy's own words. */
function outcomeText(name: string, profiles: Profiles): string {
  const policy = profiles.retry_policies.find((p) => p.name === name);
  if (policy === undefined) return "";
  const gone = policy.suspends_on_gone ? " An answer of 410 suspends the webhook." : "";
  return `Success is an answer of ${policy.success}; tried again after ${policy.retries}.${gone}`;
}

const most = 16;

/** Attempts on a scale that gives seconds and hours room alike. */
export function RetryLine({ retry }: { readonly retry: Retry }) {
  const { times, beyond } = attemptTimes(retry);
  const total = Math.max(1, times.at(-1) ?? 1);
  const shown = times.length > most ? times.slice(0, most - 1) : times;
  return (
    <div class="stack stack-s">
      {times.length > 1 && (
        <div class="retry-track" aria-hidden>
          {times.map((t) => <span key={t} style={{ insetInlineStart: `${(Math.log1p(t) / Math.log1p(total)) * 100}%` }} />)}
        </div>
      )}
      <ol class="retry-steps" aria-label="Attempts, counted from the first">
        {shown.map((t, i) => (
          <li key={t}><span class="muted">{i + 1}.</span> {t === 0 ? "at once" : `after ${duration(t)}`}</li>
        ))}
        {times.length > shown.length && <li>and {count(times.length - shown.length, "more attempt")}, the last after {duration(total)}</li>}
      </ol>
      {beyond > 0 && <p class="small muted">{count(beyond, "planned attempt lies", "planned attempts lie")} beyond the total time and {beyond === 1 ? "is" : "are"} not made.</p>}
    </div>
  );
}
