/** Words and rules of the agents' pages. */
import { count } from "../../core/format.ts";
import type { Agent, AgentInput } from "../../core/types.ts";

/** "All", "3 events". */
export function availableWords(agent: Agent): string {
  return agent.available_events === null ? "All" : count(agent.available_events.length, "event");
}

/** An id that fits a name: what people type is no id, and ids stay for ever. */
export function idFromName(name: string): string {
  return name
    .normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 64);
}

export interface AgentDraft {
  readonly id: string;
  readonly name: string;
  readonly profile: string;
  /** Null: all. */
  readonly events: readonly string[] | null;
}

/** What of a draft differs from the agent that it changes; all of it for a new one. */
export function changesOf(draft: AgentDraft, before: Agent | null): AgentInput {
  const name = draft.name.trim();
  if (before === null) {
    const id = draft.id.trim();
    return { ...(id === "" ? {} : { id }), name, profile: draft.profile, ...(draft.events === null ? {} : { available_events: draft.events }) };
  }
  const sameEvents = JSON.stringify([...(draft.events ?? ["*"])].sort()) === JSON.stringify([...(before.available_events ?? ["*"])].sort());
  return {
    ...(name === before.name ? {} : { name }),
    ...(draft.profile === before.profile ? {} : { profile: draft.profile }),
    ...(sameEvents ? {} : { available_events: draft.events }),
  };
}
