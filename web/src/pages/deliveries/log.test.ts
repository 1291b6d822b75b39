import type { Delivery, DeliveryState, Page, RetriedMany, RetryMany } from "../../core/types.ts";
import { runBulk, skippedLines, type Tally } from "./bulk.ts";
import { matches, readFilter, toApi } from "./filter.ts";
import { DeliveryLog, find } from "./log.ts";

// The pages are compiled without the types of Node.js, so its modules come untyped.
const node = (name: string): Promise<any> => import(`node:${name}`);
const { test } = await node("test");
const assert = await node("assert/strict");

const id = (n: number): string => `dlv_${String(n).padStart(6, "0")}`;

function row(n: number, state: DeliveryState = "delivered", attempts = 1): Delivery {
  return {
    id: id(n), event_id: `evt_${n}`, event: "lead.submit", endpoint_id: "ep_1", state, reason: null, attempts, next_attempt_at: null, last_status_code: 200,
    created_at: "2026-04-26T08:30:14.000Z", finished_at: state === "delivered" ? "2026-04-26T08:30:15.000Z" : null,
  };
}

/** The rows of numbers from high to low. */
const rows = (high: number, low: number): Delivery[] => Array.from({ length: high - low + 1 }, (_, i) => row(high - i));

class Server {
  readonly asked: (string | undefined)[] = [];
  #waiting: ((page: Page<Delivery>) => void)[] = [];
  readonly load = (cursor: string | undefined): Promise<Page<Delivery>> => {
    this.asked.push(cursor);
    return new Promise((resolve) => this.#waiting.push(resolve));
  };
  async answer(data: Delivery[], next: string | null = null): Promise<void> {
    this.#waiting.shift()?.({ data, next_cursor: next });
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

async function started(data: Delivery[], next: string | null = null): Promise<{ log: DeliveryLog; server: Server; ids: () => string[] }> {
  const server = new Server();
  const log = new DeliveryLog({ load: server.load, matches: (d) => d.event === "lead.submit" });
  log.reload();
  await server.answer(data, next);
  return { log, server, ids: () => log.view.peek().rows.map((r) => r.id) };
}

test("pages follow each other, and rows are never doubled", async () => {
  const { log, server, ids } = await started(rows(10, 6), "c1");
  log.more();
  log.more(); // one at a time
  await server.answer(rows(6, 1));
  assert.deepEqual(ids(), rows(10, 1).map((r) => r.id));
  assert.deepEqual(server.asked, [undefined, "c1"]);
  assert.equal(log.view.peek().hasMore, false);
});

test("new rows come to the top, changed ones stay in place, and others are left out", async () => {
  const { log, ids } = await started(rows(5, 3), "c1");
  log.push([row(7), row(4, "retrying", 2), row(6), { ...row(8), event: "message.sent" }, row(1)]);
  assert.deepEqual(ids(), [7, 6, 5, 4, 3].map(id));
  assert.equal(log.view.peek().rows[3]?.state, "retrying");
});

test("while held new rows wait, and are shown in their latest state", async () => {
  const { log, ids } = await started(rows(5, 3));
  log.hold(true);
  log.push([row(6, "pending", 0), row(5, "retrying", 2)]);
  log.push([row(6, "delivered", 1), row(7, "pending", 0)]);
  assert.deepEqual(ids(), [5, 4, 3].map(id));
  assert.equal(log.view.peek().rows[0]?.state, "retrying");
  assert.equal(log.view.peek().fresh, 2);
  log.hold(false);
  assert.deepEqual(ids(), [7, 6, 5, 4, 3].map(id));
  assert.equal(log.view.peek().rows[1]?.state, "delivered");
  assert.equal(log.view.peek().fresh, 0);
});

test("what came while a page was loading is not lost, nor undone by the page", async () => {
  const server = new Server();
  const log = new DeliveryLog({ load: server.load, matches: () => true });
  log.reload();
  log.push([row(9), row(8, "delivered", 2), row(7, "pending", 0)]);
  await server.answer([row(8, "retrying", 1), row(7, "delivered", 1)]);
  assert.deepEqual(log.view.peek().rows.map((r) => [r.id, r.state]), [[id(9), "delivered"], [id(8), "delivered"], [id(7), "delivered"]]);
});

test("after an interruption known rows are renewed, and a gap is told", async () => {
  const { log, server, ids } = await started(rows(5, 3), "c1");
  log.hold(true);
  log.refresh();
  await server.answer([row(6), row(5, "failed", 3), row(4)], "c2");
  assert.deepEqual(ids(), [5, 4, 3].map(id));
  assert.deepEqual([log.view.peek().rows[0]?.state, log.view.peek().fresh, log.view.peek().gap], ["failed", 1, false]);
  log.refresh();
  await server.answer(rows(90, 80), "c3");
  assert.equal(log.view.peek().gap, true);
  log.show(); // starts anew
  await server.answer(rows(90, 80), "c3");
  assert.deepEqual([ids().length, log.view.peek().gap, log.view.peek().fresh], [11, false, 0]);
});

test("a page that is read again does not undo what the stream said meanwhile", async () => {
  const { log, server } = await started([row(5, "retrying", 1), row(4)], "c1");
  log.hold(true);
  log.push([row(6, "pending", 0)]);
  log.refresh();
  log.more(); // pages may be under way side by side
  log.push([row(6), row(5, "delivered", 2), row(3)]);
  await server.answer([row(6, "pending", 0), row(5, "retrying", 1), row(4)], "c1");
  assert.deepEqual([log.view.peek().rows[0]?.state, log.view.peek().loading], ["delivered", true]);
  await server.answer([row(3, "pending", 0)]);
  log.show();
  assert.deepEqual(log.view.peek().rows.map((r) => [r.id, r.state]), [6, 5, 4, 3].map((n) => [id(n), "delivered"]));
});

test("only so many rows wait: then the list is loaded anew", async () => {
  const { log, server, ids } = await started(rows(5, 3));
  log.hold(true);
  log.push(rows(5_005, 6));
  assert.deepEqual([log.view.peek().fresh, log.view.peek().gap], [5_000, false]);
  log.push([row(5_006)]);
  log.push([row(5_007)]);
  assert.deepEqual([log.view.peek().fresh, log.view.peek().gap, ids().length], [0, true, 3]);
  log.show();
  await server.answer(rows(5_007, 5_000), "c1");
  assert.deepEqual([ids().length, log.view.peek().gap], [8, false]);
});

test("what the stream missed before the first page was there is read once more", async () => {
  const server = new Server();
  const log = new DeliveryLog({ load: server.load, matches: () => true });
  log.reload();
  log.refresh();
  await server.answer(rows(3, 1));
  assert.equal(server.asked.length, 2);
  await server.answer(rows(4, 1));
  assert.deepEqual([log.view.peek().rows.length, server.asked.length], [4, 2]);
});

test("a list of many rows finds each", () => {
  const many = rows(10_000, 1);
  for (const n of [1, 2, 4_999, 10_000]) assert.equal(many[find(many, id(n))]?.id, id(n));
  assert.equal(find(many, id(10_001)), 0);
  assert.equal(find([], id(1)), 0);
});

test("the address, the API and a row agree on a filter", () => {
  const now = Date.parse("2026-04-26T09:00:00.000Z");
  const read = (text: string) => readFilter(new URLSearchParams(text));
  assert.deepEqual(read("state=bogus&status=99&period=1y&since=never"), {});
  assert.deepEqual(read("state=failed&status=4xx&id=dlv_1&period=1h&since=2026-01-01"), { state: "failed", statusClass: "4xx", deliveryId: "dlv_1", period: "1h" });
  assert.deepEqual(read("status_code=503&id=order-7"), { statusCode: 503, eventId: "order-7" });
  assert.equal(toApi(read("period=1h"), now).since, "2026-04-26T08:00:00.000Z");
  const d = row(1);
  for (const [text, want] of [
    ["", true], ["state=failed", false], ["status=2xx", true], ["status=none", false], ["status=200", true], ["period=1h", true], ["period=15m", false],
    ["since=2026-04-26T08:30:14.000Z", true], ["until=2026-04-26T08:30:14.000Z", false], ["event=lead.submit", true], ["event=message.sent", false],
    ["event=onLead", "unknown"], ["id=evt_1", true], ["id=evt_2", false], ["id=order-7", false], ["endpoint_id=ep_2", false], [`id=${id(1)}`, true],
  ] as const) assert.equal(matches(read(text), d, now), want, text);
});

test("many are sent again call by call, and the skipped are explained", async () => {
  const calls: RetryMany[] = [];
  const answers: RetriedMany[] = [
    { matched: 1_000, retried: 990, skipped: Array.from({ length: 5 }, (_, i) => ({ delivery_id: id(i), code: "delivery_held", detail: "" })), skipped_count: 10, next_cursor: "n" },
    { matched: 20, retried: 19, skipped: [{ delivery_id: "x", code: "endpoint_not_found", detail: "" }], skipped_count: 1, next_cursor: null },
  ];
  const call = async (input: RetryMany): Promise<RetriedMany> => {
    calls.push(input);
    return answers[calls.length - 1] ?? assert.fail("one call too many");
  };
  const seen: Tally[] = [];
  const sum = await runBulk(call, { filter: { state: "failed" } }, false, (t) => seen.push(t), new AbortController().signal);
  assert.deepEqual(calls, [{ filter: { state: "failed" }, dry_run: false }, { filter: { state: "failed" }, dry_run: false, cursor: "n" }]);
  assert.deepEqual([sum.matched, sum.retried, sum.skipped, seen.length], [1_020, 1_009, 11, 2]);
  assert.deepEqual(skippedLines(sum), [
    "5 deliveries: their webhook is paused or suspended: resume it first.", "1 delivery: their webhook was deleted.", "5 more deliveries, most likely for the same reasons.",
  ]);
});

test("ids go in pieces, and an abort ends after the call under way", async () => {
  const sizes: number[] = [];
  const abort = new AbortController();
  const call = async (input: RetryMany): Promise<RetriedMany> => {
    const n = "delivery_ids" in input ? input.delivery_ids.length : 0;
    sizes.push(n);
    if (sizes.length === 2) abort.abort();
    return { matched: n, retried: n, skipped: [], skipped_count: 0, next_cursor: null };
  };
  const sum = await runBulk(call, { ids: rows(600, 1).map((r) => r.id) }, false, () => undefined, abort.signal);
  assert.deepEqual([sizes, sum.retried], [[250, 250], 500]);
});
