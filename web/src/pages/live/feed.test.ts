import { Feed, fits, happened, type LiveDelivery, mostRows } from "./feed.ts";

// The pages are compiled without the types of Node.js, so its modules come untyped.
const node = (name: string): Promise<any> => import(`node:${name}`);
const { test } = await node("test");
const assert = await node("assert/strict");

const now = Date.parse("2026-04-26T08:30:14.000Z");

function live(n: number, change: Partial<LiveDelivery> = {}): LiveDelivery {
  return {
    id: `dlv_${n}`, event_id: "evt_1", event: "lead.submit", endpoint_id: "ep_1", agent_id: "a", state: "delivered", reason: "delivered", attempts: 1,
    next_attempt_at: null, last_status_code: 200, created_at: "2026-04-26T08:30:10.000Z", finished_at: null,
    attempt: { number: 1, started_at: "2026-04-26T08:30:11.000Z", duration_ms: 500, status_code: 200, reason: "delivered" }, ...change,
  };
}

const ids = (feed: Feed): string[] => feed.view().rows.map((r) => r.delivery.id);

test("the latest come first, and the oldest go", () => {
  const feed = new Feed();
  feed.push([live(1), live(2)], now);
  feed.push([live(3)], now);
  assert.deepEqual(ids(feed), ["dlv_3", "dlv_2", "dlv_1"]);
  assert.equal(new Set(feed.view().rows.map((r) => r.key)).size, 3);
  feed.push(Array.from({ length: mostRows + 10 }, (_, i) => live(100 + i)), now);
  assert.equal(ids(feed).length, mostRows);
  assert.equal(ids(feed)[0], `dlv_${100 + mostRows + 9}`);
});

test("paused, what is shown stays; continued, it catches up", () => {
  const feed = new Feed();
  feed.push([live(1)], now);
  feed.pause(true);
  feed.push(Array.from({ length: mostRows + 5 }, (_, i) => live(10 + i)), now);
  assert.deepEqual([ids(feed), feed.view().waiting], [["dlv_1"], mostRows + 5]);
  feed.pause(false);
  assert.deepEqual([ids(feed).length, feed.view().waiting, ids(feed).includes("dlv_1")], [mostRows, 0, false]);
});

test("the rate is that of the last ten seconds, and what was skipped adds up", () => {
  const feed = new Feed();
  feed.push([live(1), live(2), live(3), live(4), live(5)], now);
  feed.push([live(6)], now + 8_000);
  assert.equal(feed.rate(now + 8_000), 0.6);
  assert.equal(feed.rate(now + 10_000), 0.1);
  assert.equal(feed.rate(now + 60_000), 0);
  feed.skip(3);
  feed.skip(4);
  assert.equal(feed.view().skipped, 7);
  feed.clear();
  assert.deepEqual(feed.view(), { rows: [], waiting: 0, skipped: 0 });
});

test("each event says what happened, and when", () => {
  const feed = new Feed();
  feed.push([live(1)], now);
  assert.equal(feed.view().rows[0]?.at, "2026-04-26T08:30:11.500Z");
  assert.equal(happened(live(1)), "Attempt 1: HTTP 200");
  assert.equal(happened(live(1, { state: "pending", attempts: 0, attempt: null })), "Accepted");
  assert.equal(happened(live(1, { state: "retrying", attempts: 2, attempt: null })), "Sent again");
  assert.equal(happened(live(1, { state: "held", attempt: null })), "Held");
});

test("filters fit one value each", () => {
  const all = { state: "", event: "", endpointId: "" };
  assert.equal(fits(all, live(1)), true);
  assert.equal(fits({ ...all, state: "failed" }, live(1)), false);
  assert.equal(fits({ ...all, event: "lead.submit", endpointId: "ep_1", state: "delivered" }, live(1)), true);
  assert.equal(fits({ ...all, endpointId: "ep_2" }, live(1)), false);
});
