/** What a webhook's owner should know first, and what to do about it. */
import { explain } from "../../../core/explain.ts";
import { count, number, relative } from "../../../core/format.ts";
import { type Tone, webhookState } from "../../../core/state.ts";
import type { Endpoint, Ledger } from "../../../core/types.ts";
import type { EndpointHealth } from "../../../core/types-server.ts";

/** What the button beside an advice does. */
export type Remedy = "resume" | "enable" | "events" | "secret" | "failures" | "edit";

export interface Paragraph {
  readonly label?: string;
  readonly text: string;
}

export interface Advice {
  readonly id: "disabled" | "suspended" | "paused" | "failing" | "no_events" | "unsigned";
  readonly tone: Tone;
  readonly title: string;
  readonly text: readonly Paragraph[];
  readonly remedies: readonly Remedy[];
}

export interface Facts {
  readonly endpoint: Endpoint;
  readonly health: EndpointHealth | undefined;
  readonly ledger: Ledger | undefined;
}

/** The most urgent first; none when all is well. */
export function adviceFor({ endpoint, health, ledger }: Facts, now: number): readonly Advice[] {
  const first = stateAdvice(endpoint, health, ledger, now);
  const all = first === null ? [] : [first];
  if (endpoint.signed) return all;
  return [...all, {
    id: "unsigned",
    tone: "warn",
    title: "Requests are not signed",
    text: [{ text: "No secret is set, so your receiver cannot tell our requests from anybody else's." }],
    remedies: ["secret"],
  }];
}

function stateAdvice(e: Endpoint, health: EndpointHealth | undefined, ledger: Ledger | undefined, now: number): Advice | null {
  switch (webhookState(e, health)) {
    case "active":
      return null;
    case "disabled":
      return {
        id: "disabled", tone: "muted", title: "This webhook is disabled",
        text: [{ text: "It gets no events, and those that happen while it is disabled are not sent later. Tests still work." }],
        remedies: ["enable"],
      };
    case "suspended":
      return {
        id: "suspended", tone: "bad", title: `Sending was stopped ${ago(e.state_since, now)}`.trim(),
        text: [
          { label: "Why", text: sentence(e.state_reason ?? "The receiver failed for too long") },
          { label: "What to do", text: `Mend the receiver or set another URL, then resume. ${heldText(ledger)}` },
        ],
        remedies: ["resume", "edit"],
      };
    case "paused":
      return {
        id: "paused", tone: "info", title: `Paused ${ago(e.state_since, now)}`.trim(),
        text: [{ text: `${heldText(ledger)} Tests still work.` }],
        remedies: ["resume"],
      };
    case "no_events":
      return {
        id: "no_events", tone: "warn", title: "No events are selected",
        text: [{ text: "The webhook is saved, but nothing will be sent until you choose at least one event." }],
        remedies: ["events"],
      };
    case "failing":
      return failing(health, now);
  }
}

function failing(health: EndpointHealth | undefined, now: number): Advice {
  const why = health === undefined || health.last_reason === null ? null : explain(health.last_reason, health.last_status_code);
  const text: Paragraph[] = [{ text: rowText(health, now) }];
  if (why !== null) text.push({ label: "Likely cause", text: why.cause }, { label: "What to do", text: why.fix });
  return { id: "failing", tone: "bad", title: why?.title ?? "The latest attempts failed", text, remedies: ["failures"] };
}

/** "The last 12 attempts failed, the first of them 2 hr. ago." */
function rowText(health: EndpointHealth | undefined, now: number): string {
  const n = health?.consecutive_failures ?? 0;
  if (n < 2) return "Look at the deliveries that failed.";
  const first = ago(health?.failing_since ?? null, now);
  return `The last ${number(n)} attempts failed${first === "" ? "" : `, the first of them ${first}`}.`;
}

/** How many wait for a webhook that is paused or suspended. */
export function heldText(ledger: Ledger | undefined): string {
  if (ledger === undefined) return "New deliveries are held until it is resumed.";
  if (ledger.held === 0) return "Nothing is held yet; new deliveries wait until it is resumed.";
  return `${count(ledger.held, "delivery is", "deliveries are")} held until it is resumed.`;
}

/** "2 min. ago"; nothing for what happened this moment: "paused now" reads like an order. */
const ago = (at: string | null, now: number): string => (at === null || now - Date.parse(at) < 5_000 ? "" : relative(at, now));
const sentence = (text: string): string => (/[.!?]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`);

/** The parts of the ledger; their sum is what was accepted. */
export const ledgerParts = ["delivered", "failed", "retrying", "pending", "held", "canceled"] as const;

export const ledgerSum = (ledger: Ledger): number => ledgerParts.reduce((sum, part) => sum + ledger[part], 0);
