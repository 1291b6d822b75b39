/** The tests that were sent since the page was opened, newest first, by webhook. They are in the log, too. */
import { signal } from "@preact/signals";
import type { DeliveryDetail } from "../../../core/types.ts";

const most = 20;
const all = signal<ReadonlyMap<string, readonly DeliveryDetail[]>>(new Map());

export const testsOf = (endpointId: string): readonly DeliveryDetail[] => all.value.get(endpointId) ?? [];

export function remember(test: DeliveryDetail): void {
  const before = all.peek().get(test.endpoint_id) ?? [];
  all.value = new Map(all.peek()).set(test.endpoint_id, [test, ...before].slice(0, most));
}
