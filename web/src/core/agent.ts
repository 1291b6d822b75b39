/**
 * The agent that the page is about. In the console it is part of the address,
 * `#/agents/agent_42/webhooks`; in the portal it is the session's, and the
 * address begins with the rest. Pages use `agentLink` and work in both.
 */
import { computed, signal } from "@preact/signals";
import type { Query } from "./api.ts";
import { link, pathname } from "./router.ts";
import { session } from "./session.ts";

/** The shell; set once, at the start. */
export const shell = signal<"console" | "portal">("console");

const inAddress = computed(() => {
  const part = /^\/agents\/([^/]+)(?:\/|$)/.exec(pathname.value)?.[1];
  try {
    return part === undefined ? null : decodeURIComponent(part);
  } catch {
    return null;
  }
});

/** The agent of the page, or null on pages of the operator. */
export const agentId = computed(() => (shell.value === "portal" ? (session.value?.agent_id ?? null) : inAddress.value));

/** The same, for pages that are only shown with an agent. */
export function useAgentId(): string {
  const id = agentId.value;
  if (id === null) throw new Error("this page needs an agent");
  return id;
}

/** The path of a page below an agent, the one of this page unless another is named. */
export function agentPath(path: string, agent: string | null = agentId.value): string {
  return shell.value === "portal" || agent === null ? `/${path}` : `/agents/${encodeURIComponent(agent)}/${path}`;
}

/** The link of a page below an agent: `agentLink(\`webhooks/${id}\`)`. */
export function agentLink(path: string, query: Query = {}, agent: string | null = agentId.value): string {
  return link(agentPath(path, agent), query);
}
