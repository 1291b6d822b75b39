/**
 * The one table of states: every state has a word, a tone and an icon, and a
 * sentence that says what it means. Colour alone never tells anything.
 */
import type { IconName } from "../ui/icons.ts";
import { count, duration, until } from "./format.ts";
import type { Delivery, DeliveryState, Endpoint, EndpointState, EndpointWarning, InboxRequest } from "./types.ts";
import type { EndpointHealth } from "./types-server.ts";

export type Tone = "good" | "bad" | "warn" | "info" | "muted";

export interface StateInfo {
  readonly word: string;
  readonly tone: Tone;
  readonly icon: IconName;
  /** One sentence for people. */
  readonly text: string;
}

export const deliveryStates: Readonly<Record<DeliveryState, StateInfo>> = {
  pending: { word: "Waiting", tone: "info", icon: "clock", text: "Accepted; the first attempt has not ended yet." },
  retrying: { word: "Retrying", tone: "warn", icon: "retry", text: "An attempt failed; it is tried again on the webhook's schedule." },
  held: { word: "Held", tone: "muted", icon: "pause", text: "The webhook is paused or suspended; it is sent when the webhook is resumed." },
  delivered: { word: "Delivered", tone: "good", icon: "ok", text: "The receiver answered with a 2xx status." },
  failed: { word: "Failed", tone: "bad", icon: "failed", text: "It is not tried again by itself; you can re-send it." },
  canceled: { word: "Canceled", tone: "muted", icon: "canceled", text: "It was canceled, or its webhook was deleted or turned off." },
};

export const deliveryStateNames = Object.keys(deliveryStates) as readonly DeliveryState[];

/** What the list of webhooks shows: the API's state, refined by what happened lately. */
export type WebhookState = EndpointState | "failing" | "no_events";

export const webhookStates: Readonly<Record<WebhookState, StateInfo>> = {
  active: { word: "Active", tone: "good", icon: "ok", text: "Events are sent as they happen." },
  failing: { word: "Failing", tone: "bad", icon: "warning", text: "The latest attempts failed; they are tried again." },
  paused: { word: "Paused", tone: "muted", icon: "pause", text: "Deliveries are held until it is resumed." },
  suspended: { word: "Suspended", tone: "bad", icon: "stopped", text: "Waybell stopped sending; deliveries are held until it is resumed." },
  disabled: { word: "Disabled", tone: "muted", icon: "canceled", text: "It gets no new events." },
  no_events: { word: "No events selected", tone: "warn", icon: "warning", text: "It is saved, but nothing will be sent." },
};

export function webhookState(endpoint: Endpoint, health?: EndpointHealth): WebhookState {
  if (endpoint.state !== "active") return endpoint.state;
  if (endpoint.events.length === 0) return "no_events";
  return health?.health === "failing" ? "failing" : "active";
}

/** Why a webhook is in its state, as short as a list needs it; "" if there is nothing to say. */
export function webhookDetail(endpoint: Endpoint, health?: EndpointHealth): string {
  if (endpoint.state === "suspended") return endpoint.state_reason ?? "";
  if (endpoint.state !== "active" || health === undefined || health.health !== "failing") return "";
  const why = health.last_reason === null ? "" : outcomePhrase(health.last_reason, health.last_status_code);
  return [why, count(health.consecutive_failures, "failure") + " in a row"].filter((part) => part !== "").join(", ");
}

export const warnings: Readonly<Record<EndpointWarning, { readonly title: string; readonly text: string }>> = {
  no_events_selected: { title: "No events selected", text: "The webhook is saved, but nothing will be sent until you choose events." },
  weak_secret: { title: "Short secret", text: "A secret of less than 24 bytes can be guessed. Generate one instead." },
  not_https: { title: "Not encrypted", text: "The URL begins with http://. Anybody on the way can read what is sent." },
};

export const verdicts: Readonly<Record<InboxRequest["verdict"]["status"], StateInfo>> = {
  verified: { word: "Verified", tone: "good", icon: "verified", text: "The signature fits the secret." },
  failed: { word: "Signature wrong", tone: "bad", icon: "failed", text: "The signature does not fit the secret." },
  unsigned: { word: "Unsigned", tone: "muted", icon: "unsigned", text: "No secret is set, and none was used." },
  unknown: { word: "Not checked", tone: "muted", icon: "question", text: "No webhook sends to this inbox, so there is no secret to check with." },
};

export const nodeStates: Readonly<Record<"living" | "dead", StateInfo>> = {
  living: { word: "Living", tone: "good", icon: "ok", text: "It works." },
  dead: { word: "Dead", tone: "bad", icon: "failed", text: "It was not heard of any more; the others take over what it had to send." },
};

export const checks: Readonly<Record<"ok" | "warning" | "error", StateInfo>> = {
  ok: { word: "Good", tone: "good", icon: "ok", text: "Nothing to do." },
  warning: { word: "Look at this", tone: "warn", icon: "warning", text: "It works, but should be looked at." },
  error: { word: "Broken", tone: "bad", icon: "failed", text: "It does not work." },
};

/** "HTTP 503", "timed out": the outcome of an attempt in as few words as possible. */
export function outcomePhrase(reason: string, status: number | null): string {
  if (status !== null && (reason === "http_status" || reason === "delivered" || reason === "gone" || reason === "expired")) return `HTTP ${status}`;
  return outcomeWords[reason] ?? reason.replaceAll("_", " ");
}

const outcomeWords: Readonly<Record<string, string>> = {
  delivered: "delivered",
  http_status: "refused by the receiver",
  timeout: "timed out",
  dns: "host name not found",
  connect: "connection refused",
  tls: "TLS error",
  connection_lost: "connection lost",
  bad_response: "broken answer",
  blocked: "target not allowed",
  gone: "gone (HTTP 410)",
  expired: "gave up",
  canceled: "canceled",
};

/** "Retrying 3 of 12, next in 14 min": a delivery's state with what comes next. */
export function deliveryPhrase(d: Delivery, now: number, attemptsInAll?: number): string {
  const word = deliveryStates[d.state].word;
  switch (d.state) {
    case "retrying": {
      // Sent again, it starts a fresh schedule and goes on counting.
      const planned = attemptsInAll !== undefined && d.attempts < attemptsInAll;
      const of = !planned ? count(d.attempts, "attempt") : `${d.attempts} of ${attemptsInAll}`;
      const wait = d.next_attempt_at === null ? "" : roughly(d.next_attempt_at, now);
      const next = d.next_attempt_at === null ? "" : wait === "" ? ", next now" : `, next in ${wait}`;
      return !planned ? `${word} after ${of}${next}` : `${word} ${of}${next}`;
    }
    case "failed": {
      const last = d.reason === null ? "" : `: ${outcomePhrase(d.reason, d.last_status_code)}`;
      return `${word}${last} after ${count(d.attempts, "attempt")}`;
    }
    case "delivered":
      return d.attempts > 1 ? `${word} at attempt ${d.attempts}` : word;
    default:
      return word;
  }
}

/** How long until then, as exactly as a list needs it: whole minutes above two. */
function roughly(at: string, now: number): string {
  const seconds = (Date.parse(at) - now) / 1_000;
  return seconds < 120 ? until(at, now) : duration(Math.round(seconds / 60) * 60);
}
