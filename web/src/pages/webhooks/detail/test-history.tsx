import { clockTime, milliseconds } from "../../../core/format.ts";
import { deliveryStates, outcomePhrase } from "../../../core/state.ts";
import type { Attempt, DeliveryDetail } from "../../../core/types.ts";
import { Card, classes, State } from "../../../ui/index.ts";

export interface TestHistoryProps {
  readonly tests: readonly DeliveryDetail[];
  readonly shown: string | undefined;
  readonly onShow: (id: string) => void;
}

const outcome = (a: Attempt): string => `${outcomePhrase(a.reason, a.status_code)} in ${milliseconds(a.duration_ms)}`;

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
