import type { Endpoint, EventType } from "../../core/types.ts";

/** Whether a webhook is sent events of a type, once it is enabled. */
export function takes(endpoint: Endpoint, type: EventType): boolean {
  return endpoint.events.some((name) => name === "*" || name === type.name || name === type.alias);
}

/** Whether a type fits what somebody searches: all words, in names and sentence. */
export function typeFits(type: EventType, otherNames: readonly string[], search: string): boolean {
  const where = [type.name, type.alias ?? "", type.description, ...otherNames].join(" ").toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => where.includes(word));
}

/** The names of a type in the formats that call it otherwise, each once. */
export function otherNames(type: EventType, formats: readonly { readonly event_names: { readonly [canonical: string]: string } }[]): readonly string[] {
  const names = [type.alias, ...formats.map((f) => f.event_names[type.name])];
  return [...new Set(names.filter((name): name is string => typeof name === "string" && name !== type.name))];
}
