/** Scopes and capabilities in words. */
import type { Capability, Scope } from "../../core/types-server.ts";

export interface ScopeInfo {
  readonly scope: Scope;
  readonly label: string;
  readonly hint: string;
  /** What it holds already; choosing these besides changes nothing. */
  readonly includes: readonly Scope[];
}

export const scopes: readonly ScopeInfo[] = [
  { scope: "events:write", label: "Publish events", hint: "What your platform needs to send events. It can read nothing.", includes: [] },
  { scope: "endpoints:read", label: "See webhooks", hint: "Agents, webhooks, inboxes and event types, but no secrets.", includes: [] },
  { scope: "endpoints:write", label: "Change webhooks", hint: "Create, change, pause and delete webhooks, and set their secrets. Includes seeing them.", includes: ["endpoints:read", "secrets:write"] },
  { scope: "deliveries:read", label: "See deliveries", hint: "The log: what was sent, what came back, statistics.", includes: [] },
  { scope: "deliveries:write", label: "Send again and test", hint: "Re-send, cancel and send tests. Includes seeing deliveries.", includes: ["deliveries:read"] },
  { scope: "secrets:read", label: "See secrets", hint: "Read the signing secrets of webhooks. Each look is written to the server's log.", includes: [] },
  { scope: "secrets:write", label: "Change secrets", hint: "Set, rotate and remove signing secrets.", includes: [] },
  { scope: "admin", label: "Everything", hint: "All of the above, and agents, keys, settings. For operators only.", includes: ["events:write", "endpoints:read", "endpoints:write", "deliveries:read", "deliveries:write", "secrets:read", "secrets:write"] },
];

/** The scopes that a choice holds without being ticked. */
export function implied(chosen: ReadonlySet<Scope>): ReadonlySet<Scope> {
  return new Set(scopes.filter((s) => chosen.has(s.scope)).flatMap((s) => s.includes));
}

/** The chosen scopes without those that others hold. */
export function needed(chosen: ReadonlySet<Scope>): readonly Scope[] {
  const held = implied(chosen);
  return scopes.map((s) => s.scope).filter((s) => chosen.has(s) && !held.has(s));
}

/** "Publish events, See deliveries": what a key may do, in one line. */
export function scopeWords(held: readonly Scope[]): string {
  return held.map((scope) => scopes.find((s) => s.scope === scope)?.label ?? scope).join(", ");
}

export interface CapabilityInfo {
  readonly capability: Capability;
  readonly label: string;
  readonly hint: string;
}

export const capabilities: readonly CapabilityInfo[] = [
  { capability: "view", label: "See webhooks and deliveries", hint: "Always allowed. No secrets." },
  { capability: "manage_endpoints", label: "Change webhooks", hint: "Create, edit, pause and delete webhooks and inboxes." },
  { capability: "view_secrets", label: "See secrets", hint: "Show the signing secrets. Each look is written to the server's log." },
  { capability: "manage_secrets", label: "Change secrets", hint: "Generate, rotate and remove signing secrets." },
  { capability: "resend", label: "Send again and test", hint: "Re-send and cancel deliveries, send tests." },
];

export const lifetimes: readonly { readonly seconds: number; readonly label: string }[] = [
  { seconds: 300, label: "5 minutes" },
  { seconds: 900, label: "15 minutes" },
  { seconds: 1_800, label: "30 minutes" },
  { seconds: 3_600, label: "1 hour" },
];
