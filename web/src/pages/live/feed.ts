/** What the live page shows: the latest of what the stream told, bounded. */
import { deliveryStates, outcomePhrase, type StateInfo } from "../../core/state.ts";
import type { Delivery, LiveAttempt } from "../../core/types.ts";

export type LiveDelivery = Delivery & { readonly agent_id: string; readonly attempt: LiveAttempt | null };

export interface LiveRow {
  /** In the order of arrival; an id of the row, since a delivery has many. */
  readonly key: number;
  readonly at: string;
  readonly delivery: LiveDelivery;
}

export interface FeedView {
  readonly rows: readonly LiveRow[];
  /** Rows that came while it was paused. */
  readonly waiting: number;
  /** Events that the server left out because there were too many. */
  readonly skipped: number;
}

export const mostRows = 500;
const rateSeconds = 10;

/** Keeps the latest rows; while paused, what is shown stays and the latest wait. */
export class Feed {
  #rows: LiveRow[] = [];
  #waiting: LiveRow[] = [];
  #came = 0;
  #skipped = 0;
  #paused = false;
  #last = 0;
  #arrivals: { at: number; n: number }[] = [];

  push(deliveries: readonly LiveDelivery[], now: number): void {
    if (deliveries.length === 0) return;
    this.#arrivals.push({ at: now, n: deliveries.length });
    const rows = deliveries.map((delivery) => ({ key: ++this.#last, at: momentOf(delivery, now), delivery })).reverse();
    if (this.#paused) {
      this.#came += rows.length;
      this.#waiting = [...rows, ...this.#waiting].slice(0, mostRows);
    } else this.#rows = [...rows, ...this.#rows].slice(0, mostRows);
  }

  skip(n: number): void {
    this.#skipped += n;
  }

  pause(on: boolean): void {
    this.#paused = on;
    if (on) return;
    this.#rows = [...this.#waiting, ...this.#rows].slice(0, mostRows);
    this.#waiting = [];
    this.#came = 0;
  }

  clear(): void {
    this.#rows = [];
    this.#waiting = [];
    this.#came = 0;
    this.#skipped = 0;
  }

  view(): FeedView {
    return { rows: this.#rows, waiting: this.#came, skipped: this.#skipped };
  }

  /** Events a second, over the last ten. */
  rate(now: number): number {
    const since = now - rateSeconds * 1_000;
    this.#arrivals = this.#arrivals.filter((a) => a.at > since);
    return this.#arrivals.reduce((sum, a) => sum + a.n, 0) / rateSeconds;
  }
}

function momentOf(d: LiveDelivery, now: number): string {
  if (d.attempt !== null) return new Date(Date.parse(d.attempt.started_at) + d.attempt.duration_ms).toISOString();
  return d.state === "pending" && d.attempts === 0 ? d.created_at : new Date(now).toISOString();
}

/** What happened, in a word or two. */
export function happened(d: LiveDelivery): string {
  if (d.attempt !== null) return `Attempt ${d.attempt.number}: ${outcomePhrase(d.attempt.reason, d.attempt.status_code)}`;
  if (d.state === "retrying" || (d.state === "pending" && d.attempts > 0)) return "Sent again";
  return d.state === "pending" ? "Accepted" : deliveryStates[d.state].word;
}

export const stateOf = (d: LiveDelivery): StateInfo => deliveryStates[d.state];

export interface LiveFilter {
  readonly state: string;
  readonly event: string;
  readonly endpointId: string;
}

export function fits({ state, event, endpointId }: LiveFilter, d: LiveDelivery): boolean {
  return (state === "" || d.state === state) && (event === "" || d.event === event) && (endpointId === "" || d.endpoint_id === endpointId);
}
