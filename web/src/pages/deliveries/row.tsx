import { now } from "../../core/clock.ts";
import { urlParts } from "../../core/format.ts";
import { deliveryPhrase, deliveryStates, outcomePhrase } from "../../core/state.ts";
import type { Delivery, Endpoint } from "../../core/types.ts";
import { Badge, Checkbox, State, Time, UrlText } from "../../ui/index.ts";
import { attemptsOf } from "./webhooks.ts";

export interface RowProps {
  readonly delivery: Delivery;
  readonly endpoint: Endpoint | undefined;
  readonly href: string;
  readonly chosen: boolean;
  /** Null: nothing can be chosen. */
  readonly onChoose: ((id: string, on: boolean) => void) | null;
  /** The page is about one webhook: do not name it in every row. */
  readonly oneWebhook: boolean;
  readonly webhooksLoaded: boolean;
}

/** One delivery in the log. The whole row is its link. */
export function DeliveryRow({ delivery: d, endpoint, href, chosen, onChoose, oneWebhook, webhooksLoaded }: RowProps) {
  const phrase = d.state === "retrying" ? deliveryPhrase(d, now.value, attemptsOf(endpoint)) : deliveryStates[d.state].word;
  // Those who hear the links alone hear which is which.
  const names = [`${d.id}-state`, `${d.id}-event`, ...(oneWebhook ? [] : [`${d.id}-webhook`])].join(" ");
  return (
    <>
      {onChoose !== null && <span class="log-check"><Checkbox label={`Select ${d.event}, ${d.id}`} hideLabel checked={chosen} onChecked={(on) => onChoose(d.id, on)} /></span>}
      <a class="log-link log-state" id={`${d.id}-state`} aria-labelledby={names} href={href} data-id={d.id}><State info={deliveryStates[d.state]}>{phrase}</State></a>
      <code class="log-event truncate" id={`${d.id}-event`}>{d.event}</code>
      {!oneWebhook && <span class="log-webhook truncate" id={`${d.id}-webhook`}>{endpoint === undefined ? <span class="muted">{webhooksLoaded ? "Deleted webhook" : ""}</span> : <WebhookText endpoint={endpoint} />}</span>}
      <span class="log-answer"><Answer delivery={d} /></span>
      <span class="log-attempts number muted"><span class="log-label">Attempts </span>{d.attempts}</span>
      <span class="log-time muted"><Time at={d.created_at} /></span>
    </>
  );
}

function WebhookText({ endpoint }: { readonly endpoint: Endpoint }) {
  const { host, rest } = urlParts(endpoint.url);
  return <span title={endpoint.url}><UrlText host={host} rest={rest} /></span>;
}

/** The last status, or why there was none. */
function Answer({ delivery: d }: { readonly delivery: Pick<Delivery, "attempts" | "last_status_code" | "reason"> }) {
  if (d.last_status_code !== null) {
    const tone = d.last_status_code < 300 ? "good" : d.last_status_code < 400 ? "warn" : "bad";
    return <Badge tone={tone}><span class="visually-hidden">Answer </span>{d.last_status_code}</Badge>;
  }
  if (d.attempts === 0 || d.reason === null) return <span class="muted"><span aria-hidden>–</span><span class="visually-hidden">No answer yet</span></span>;
  return <span class="muted truncate">{outcomePhrase(d.reason, null)}</span>;
}
