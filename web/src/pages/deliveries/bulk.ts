/** Sending many deliveries again: counting first, then page by page. */
import { count } from "../../core/format.ts";
import type { DeliveryFilter, RetriedMany, RetryMany } from "../../core/types.ts";

/** What is chosen: rows one by one, or all that a filter finds. */
export type Target = { readonly ids: readonly string[] } | { readonly filter: DeliveryFilter };

export interface Tally {
  readonly matched: number;
  readonly retried: number;
  readonly skipped: number;
  /** How often each code was given as the reason, among the skipped that were named. */
  readonly codes: ReadonlyMap<string, number>;
}

export type Call = (input: RetryMany) => Promise<RetriedMany>;

/** As many ids as one call takes. */
const most = 250;
const nothing: Tally = { matched: 0, retried: 0, skipped: 0, codes: new Map() };

/** Runs all calls that it takes; `onProgress` gets the sum so far. Aborted, it ends after the call under way. */
export async function runBulk(call: Call, target: Target, dryRun: boolean, onProgress: (sum: Tally) => void, signal: AbortSignal): Promise<Tally> {
  let sum = nothing;
  for (const input of "ids" in target ? pieces(target.ids) : [{ filter: target.filter }]) {
    let cursor: string | undefined;
    do {
      if (signal.aborted) return sum;
      const done: RetriedMany = await call({ ...input, dry_run: dryRun, ...(cursor === undefined ? {} : { cursor }) });
      sum = add(sum, done);
      onProgress(sum);
      cursor = done.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }
  return sum;
}

function pieces(ids: readonly string[]): readonly { readonly delivery_ids: readonly string[] }[] {
  return Array.from({ length: Math.ceil(ids.length / most) }, (_, i) => ({ delivery_ids: ids.slice(i * most, (i + 1) * most) }));
}

function add(sum: Tally, done: RetriedMany): Tally {
  const codes = new Map(sum.codes);
  for (const { code } of done.skipped) codes.set(code, (codes.get(code) ?? 0) + 1);
  return { matched: sum.matched + done.matched, retried: sum.retried + done.retried, skipped: sum.skipped + done.skipped_count, codes };
}

const reasons: Readonly<Record<string, string>> = {
  endpoint_not_found: "their webhook was deleted",
  endpoint_disabled: "their webhook is turned off: enable it first",
  delivery_held: "their webhook is paused or suspended: resume it first",
  delivery_not_found: "they are not kept any more",
  busy: "an attempt of theirs is just ending: try again in a minute",
};

/** Why some are left out: "12: their webhook was deleted". Only the first of each call are named. */
export function skippedLines(tally: Tally): readonly string[] {
  const lines = [...tally.codes].sort((a, b) => b[1] - a[1]).map(([code, n]) => `${count(n, "delivery", "deliveries")}: ${reasons[code] ?? code.replaceAll("_", " ")}.`);
  const named = [...tally.codes.values()].reduce((sum, n) => sum + n, 0);
  if (named < tally.skipped) lines.push(`${count(tally.skipped - named, "more delivery", "more deliveries")}, most likely for the same reasons.`);
  return lines;
}
