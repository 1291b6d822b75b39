/** The filters of the log: from the address, to the API, and held against a row. */
import type { Delivery, DeliveryFilter, DeliveryState } from "../../core/types.ts";

const statusClasses = ["2xx", "3xx", "4xx", "5xx", "none"] as const;
type StatusClass = (typeof statusClasses)[number];

const periods = ["15m", "1h", "24h", "7d", "30d"] as const;
export type LogPeriod = (typeof periods)[number];

const spans: Readonly<Record<LogPeriod, number>> = { "15m": 15 * 60_000, "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000 };
const states: ReadonlySet<string> = new Set<DeliveryState>(["pending", "retrying", "held", "delivered", "failed", "canceled"]);

/** The parameters of the address. They have the names that the API has, where it has one. */
export const filterNames = ["state", "event", "endpoint_id", "status", "status_code", "status_class", "period", "since", "until", "id", "event_id"] as const;

export interface LogFilter {
  readonly state?: DeliveryState;
  readonly event?: string;
  readonly endpointId?: string;
  readonly statusClass?: StatusClass;
  readonly statusCode?: number;
  readonly period?: LogPeriod;
  readonly since?: string;
  readonly until?: string;
  /** One delivery. */
  readonly deliveryId?: string;
  /** The deliveries of one event, by its id or the platform's own. */
  readonly eventId?: string;
}

/** Reads an address; what makes no sense is left out. */
export function readFilter(query: URLSearchParams): LogFilter {
  const get = (name: (typeof filterNames)[number]): string | undefined => query.get(name)?.trim() || undefined;
  const state = get("state");
  const status = get("status") ?? get("status_class") ?? get("status_code");
  const period = periods.find((p) => p === get("period"));
  const id = get("id");
  const eventId = get("event_id") ?? (id !== undefined && !isDeliveryId(id) ? id : undefined);
  const filter: { -readonly [K in keyof LogFilter]: LogFilter[K] } = {};
  if (state !== undefined && states.has(state)) filter.state = state as DeliveryState;
  if (get("event") !== undefined) filter.event = get("event");
  if (get("endpoint_id") !== undefined) filter.endpointId = get("endpoint_id");
  const statusClass = statusClasses.find((c) => c === status);
  if (statusClass !== undefined) filter.statusClass = statusClass;
  else if (status !== undefined && /^[1-5]\d\d$/.test(status)) filter.statusCode = Number(status);
  if (period !== undefined) filter.period = period;
  else {
    const since = toTime(get("since"));
    const until = toTime(get("until"));
    if (since !== undefined) filter.since = since;
    if (until !== undefined) filter.until = until;
  }
  if (id !== undefined && isDeliveryId(id)) filter.deliveryId = id;
  if (eventId !== undefined) filter.eventId = eventId;
  return filter;
}

const isDeliveryId = (id: string): boolean => id.startsWith("dlv_");

function toTime(text: string | undefined): string | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

/** What the API is asked for; a period is counted back from `now`. */
export function toApi(filter: LogFilter, now: number): DeliveryFilter {
  return {
    state: filter.state,
    event: filter.event,
    endpoint_id: filter.endpointId,
    event_id: filter.eventId,
    status_class: filter.statusClass,
    status_code: filter.statusCode,
    since: filter.period === undefined ? filter.since : new Date(now - spans[filter.period]).toISOString(),
    until: filter.until,
  };
}

/**
 * Tells whether a row of the stream belongs to the list. An event may be
 * filtered by its alias, which rows do not show: then only the server knows, and
 * the answer is "unknown".
 */
export function matches(filter: LogFilter, d: Delivery, now: number): boolean | "unknown" {
  if (filter.deliveryId !== undefined && d.id !== filter.deliveryId) return false;
  if (filter.state !== undefined && d.state !== filter.state) return false;
  if (filter.endpointId !== undefined && d.endpoint_id !== filter.endpointId) return false;
  if (filter.statusCode !== undefined && d.last_status_code !== filter.statusCode) return false;
  if (filter.statusClass !== undefined && classOf(d.last_status_code) !== filter.statusClass) return false;
  const at = Date.parse(d.created_at);
  if (filter.period !== undefined && at < now - spans[filter.period]) return false;
  if (filter.since !== undefined && at < Date.parse(filter.since)) return false;
  if (filter.until !== undefined && at >= Date.parse(filter.until)) return false;
  if (filter.event !== undefined && d.event !== filter.event) return filter.event.includes(".") ? false : "unknown";
  if (filter.eventId !== undefined && d.event_id !== filter.eventId) return false;
  return true;
}

function classOf(status: number | null): StatusClass {
  return statusClasses.find((c) => status !== null && c.startsWith(String(Math.floor(status / 100)))) ?? "none";
}

export const isFiltered = (filter: LogFilter): boolean => Object.keys(filter).length > 0;
