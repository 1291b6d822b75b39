import assert from "node:assert/strict";
import { test } from "node:test";
import { eventChoices, eventsPhrase, filterRows, rowsOf, stateChoices, waitingOf } from "../../pages/webhooks/list-model.ts";
import type { Endpoint, EventType } from "../types.ts";
import type { EndpointHealth } from "../types-server.ts";

const base: Endpoint = {
  id: "ep_1", agent_id: "a", url: "https://crm.example.com/hooks/Leads", description: "Sales", enabled: true, events: ["lead.submit"], profile: "standard", method: "POST",
  timeout_seconds: 30, headers: [], format: "standard", signed: true, include_messages: false, standard_headers: true,
  retry: { policy: "standard", schedule_seconds: [], window_seconds: 1 }, rate_limit_per_second: null, concurrency: null,
  state: "active", state_reason: null, state_since: null, created_at: "", updated_at: "", warnings: [],
};
const health: EndpointHealth = {
  endpoint_id: "ep_1", delivered: 1, failed: 3, error_rate: 0.75, points: [], last_attempt_at: null, last_delivered_at: null, last_failed_at: null,
  last_reason: "timeout", last_status_code: null, failing_since: null, consecutive_failures: 3, health: "failing",
};
const type = (name: string, available = true): EventType => ({ name, alias: null, description: "", schema: null, example: {}, built_in: true, available, created_at: null, updated_at: null });
const rows = rowsOf(
  [base, { ...base, id: "ep_2", events: ["*"], url: "https://b.example/", description: "" }, { ...base, id: "ep_3", events: [] }, { ...base, id: "ep_4", state: "suspended" }],
  [health],
);
const ids = (filter: Partial<{ search: string; state: string; event: string }>): string[] => filterRows(rows, { search: "", state: "", event: "", ...filter }).map((r) => r.endpoint.id);

test("the state is refined by health and by what is subscribed to", () => {
  assert.deepEqual(rows.map((r) => r.state), ["failing", "active", "no_events", "suspended"]);
});

test("filters", () => {
  assert.deepEqual(ids({}), ["ep_1", "ep_2", "ep_3", "ep_4"]);
  assert.deepEqual(ids({ search: "LEADS sales" }), ["ep_1", "ep_3", "ep_4"]);
  assert.deepEqual(ids({ search: "leads nobody" }), []);
  assert.deepEqual(ids({ state: "failing" }), ["ep_1"]);
  assert.deepEqual(ids({ event: "message.sent" }), ["ep_2"], "all events include every one");
  assert.deepEqual(ids({ event: "lead.submit", state: "active" }), ["ep_2"]);
});

test("choices say how many there are, and lead to every webhook", () => {
  assert.equal(stateChoices(rows).find((c) => c.value === "failing")?.label, "Failing (1)");
  assert.deepEqual(eventChoices(rows, [type("message.sent"), type("x.hidden", false)]).map((c) => c.value), ["", "lead.submit", "message.sent"]);
});

test("how many events of how many", () => {
  const types = [type("a.b"), type("c.d"), type("e.f", false)];
  assert.equal(eventsPhrase(["*"], types), "All");
  assert.equal(eventsPhrase([], types), "None");
  assert.equal(eventsPhrase(["a.b"], types), "1 of 2");
  assert.equal(eventsPhrase(["a.b", "gone.type"], types), "2 of 3", "a type that is gone still counts");
  assert.equal(eventsPhrase(["a.b"], undefined), "1");
});

test("what waits is everything that has not ended", () => {
  assert.equal(waitingOf({ accepted: 20, pending: 1, retrying: 2, delivered: 5, failed: 6, held: 3, canceled: 3 }), 6);
});
