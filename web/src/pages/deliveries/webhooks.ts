import { useMemo } from "preact/hooks";
import { collect } from "../../core/api.ts";
import { endpoints, eventTypes } from "../../core/client.ts";
import { urlParts } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import type { Endpoint } from "../../core/types.ts";

/** The webhooks of an agent by their ids; a delivery's webhook may be deleted. */
export interface Webhooks {
  readonly all: readonly Endpoint[];
  readonly byId: ReadonlyMap<string, Endpoint>;
  readonly loaded: boolean;
  readonly reload: () => void;
}

export function useWebhooks(agent: string): Webhooks {
  const { data, reload } = useLoad((signal) => collect((cursor) => endpoints.list(agent, { limit: 250, cursor }, signal)), [agent]);
  return useMemo(() => ({ all: data ?? [], byId: new Map((data ?? []).map((e) => [e.id, e])), loaded: data !== undefined, reload }), [data, reload]);
}

/** The names of the events that the agent can have. */
export function useEventNames(agent: string): readonly string[] {
  const { data } = useLoad((signal) => collect((cursor) => eventTypes.list({ agent_id: agent, limit: 250, cursor }, signal)), [agent]);
  return useMemo(() => (data ?? []).map((e) => e.name), [data]);
}

/** "hooks.example.com/a/b": a webhook in one line. */
export function webhookName(endpoint: Endpoint): string {
  const { host, rest } = urlParts(endpoint.url);
  return host + rest;
}

/** All attempts of a fresh schedule. */
export const attemptsOf = (endpoint: Endpoint | undefined): number | undefined => (endpoint === undefined ? undefined : endpoint.retry.schedule_seconds.length + 1);
