/** What the list of webhooks shows, worked out from what the API tells. */
import { number } from "../../core/format.ts";
import { type WebhookState, webhookState, webhookStates } from "../../core/state.ts";
import type { Endpoint, EventType, Ledger } from "../../core/types.ts";
import type { EndpointHealth } from "../../core/types-server.ts";

export interface Row {
  readonly endpoint: Endpoint;
  /** Undefined while it is loading, or where it may not be read. */
  readonly health: EndpointHealth | undefined;
  readonly state: WebhookState;
}

export interface ListFilter {
  readonly search: string;
  readonly state: string;
  readonly event: string;
}

export function rowsOf(endpoints: readonly Endpoint[], health: readonly EndpointHealth[]): Row[] {
  const byId = new Map(health.map((h) => [h.endpoint_id, h]));
  return endpoints.map((endpoint) => {
    const h = byId.get(endpoint.id);
    return { endpoint, health: h, state: webhookState(endpoint, h) };
  });
}

export const takesAll = (events: readonly string[]): boolean => events.length === 1 && events[0] === "*";

/** Every word of the search must be in the URL, the description or the id. */
export function filterRows(rows: readonly Row[], filter: ListFilter): Row[] {
  const words = filter.search.toLowerCase().split(/\s+/).filter((w) => w !== "");
  return rows.filter(({ endpoint: e, state }) => {
    const text = `${e.url} ${e.description} ${e.id}`.toLowerCase();
    if (filter.state !== "" && state !== filter.state) return false;
    if (filter.event !== "" && !takesAll(e.events) && !e.events.includes(filter.event)) return false;
    return words.every((w) => text.includes(w));
  });
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** The states there are, each with how many webhooks are in it. */
export function stateChoices(rows: readonly Row[]): Choice[] {
  const names = Object.keys(webhookStates) as WebhookState[];
  const choices = names.map((name) => ({ value: name, label: `${webhookStates[name].word} (${number(rows.filter((r) => r.state === name).length)})` }));
  return [{ value: "", label: "All states" }, ...choices];
}

/** The types there are, and those that a webhook takes although they are gone. */
export function eventChoices(rows: readonly Row[], types: readonly EventType[]): Choice[] {
  const names = new Set(types.filter((t) => t.available).map((t) => t.name));
  for (const { endpoint } of rows) if (!takesAll(endpoint.events)) endpoint.events.forEach((name) => names.add(name));
  return [{ value: "", label: "All events" }, ...[...names].sort().map((name) => ({ value: name, label: name }))];
}

/** "3 of 8", "All", "None": how much of what there is a webhook takes. */
export function eventsPhrase(events: readonly string[], types: readonly EventType[] | undefined): string {
  if (takesAll(events)) return "All";
  if (events.length === 0) return "None";
  if (types === undefined) return number(events.length);
  const all = new Set([...types.filter((t) => t.available).map((t) => t.name), ...events]);
  return `${number(events.length)} of ${number(all.size)}`;
}

/** How many deliveries have not ended: deleting a webhook cancels them. */
export const waitingOf = (l: Ledger): number => l.pending + l.retrying + l.held;
