import type { HeaderMap } from "../../../core/types.ts";

/** The value of a header, whatever the case of its name. */
export function headerOf(headers: HeaderMap, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return Object.entries(headers).find(([n]) => n.toLowerCase() === wanted)?.[1];
}

/** Lines of `Name: value`, as they are pasted and read. */
export const headerLines = (headers: HeaderMap): string => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");
