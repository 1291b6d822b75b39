import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, idFromName } from "../../pages/agents/words.ts";
import { busiestMinute, perMinute } from "../../pages/overview/figures.ts";
import { base64, largestLogo, wrongLogo } from "../../pages/settings/image.ts";
import { capabilities, implied, needed, scopes, scopeWords } from "../../pages/settings/scopes.ts";
import { embedSnippet, originSettings, sessionCall } from "../../pages/settings/snippets.ts";
import { publishCommand } from "../curl.ts";
import { axisTime } from "../format.ts";
import type { Agent } from "../types.ts";
import type { Scope, Statistics } from "../types-server.ts";

const minutes = (...attempts: number[]): Statistics => ({
  period: "1h", since: "", until: "", step_seconds: 60, totals: { delivered: 0, failed: 0, error_rate: null, latency_ms: null }, reasons: [],
  points: attempts.map((n, i) => ({ at: new Date(i * 60_000).toISOString(), delivered: n - 1, failed: 1, p50_ms: null, p95_ms: null })),
});

test("attempts a minute are over the last five and the part of the present one", () => {
  const statistics = minutes(900, 10, 10, 10, 10, 10, 5);
  assert.equal(perMinute(statistics, 6 * 60_000 + 30_000), 10);
  assert.equal(perMinute(minutes(6), 30_000), 12);
  assert.equal(perMinute({ ...statistics, step_seconds: 900 }, 0), null);
  assert.equal(perMinute(minutes(), 0), null);
  assert.equal(busiestMinute(statistics), 900);
  assert.equal(busiestMinute(minutes()), 0);
});

test("days and times of an axis", () => {
  assert.match(axisTime(Date.UTC(2026, 3, 26, 8, 30), 1_800), /8:30/);
  assert.match(axisTime(Date.UTC(2026, 3, 26), 1_800), /26/);
  assert.match(axisTime(Date.UTC(2026, 3, 26, 8), 86_400), /26/);
});

test("scopes that others hold are not asked for", () => {
  const of = (...list: Scope[]): ReadonlySet<Scope> => new Set(list);
  assert.deepEqual(needed(of("endpoints:read", "endpoints:write", "events:write")), ["events:write", "endpoints:write"]);
  assert.deepEqual(needed(of("admin", "secrets:read")), ["admin"]);
  assert.equal(implied(of("deliveries:write")).has("deliveries:read"), true);
  assert.equal(implied(of("endpoints:write")).has("secrets:read"), false);
  assert.equal(scopeWords(["events:write", "deliveries:read"]), "Publish events, See deliveries");
  for (const s of [...scopes, ...capabilities]) assert.ok(s.hint.length > 10 && s.label !== "");
});

const agent: Agent = { id: "a", name: "Bot", profile: "standard", metadata: {}, available_events: ["x", "y"], created_at: "", updated_at: "" };

test("an agent's form sends what was changed", () => {
  const draft = { id: "", name: "Bot", profile: "standard", events: ["y", "x"] };
  assert.deepEqual(changesOf(draft, agent), {});
  assert.deepEqual(changesOf({ ...draft, name: " Bot 2 ", events: null }, agent), { name: "Bot 2", available_events: null });
  assert.deepEqual(changesOf({ ...draft, events: null }, null), { name: "Bot", profile: "standard" });
  assert.deepEqual(changesOf({ ...draft, id: "b", events: [] }, null), { id: "b", name: "Bot", profile: "standard", available_events: [] });
});

test("ids come from names", () => {
  for (const [name, want] of [["Support bot", "support_bot"], ["  Çağrı – Merkezi! ", "cagr_merkezi"], ["日本", ""], ["a".repeat(100), "a".repeat(64)]] as const) {
    assert.equal(idFromName(name), want);
  }
});

test("what is copied fits together", () => {
  assert.match(publishCommand("https://h.example/x/", "a:b", "lead.submit", {}), /https:\/\/h\.example\/x\/v1\/agents\/a%3Ab\/events/);
  const call = sessionCall("https://h.example/", "agent_42", { capabilities: ["view"], ttl_seconds: 300, theme: "auto" });
  assert.deepEqual(JSON.parse(/-d '([^']*)'/.exec(call)?.[1] ?? ""), { capabilities: ["view"], ttl_seconds: 300 });
  assert.match(sessionCall("https://h.example/", "a", { theme: "dark" }), /"theme": "dark"/);
  assert.match(embedSnippet("https://h.example/", "dark"), /src="https:\/\/h\.example\/embed\.js"[^]*theme="dark"/);
  assert.match(originSettings([]), /https:\/\/app\.example\.com/);
  assert.match(originSettings(["https://a.example", "https://b.example"]), /WAYBELL_PORTAL_ORIGINS=https:\/\/a\.example,https:\/\/b\.example\n/);
});

test("a logo is a small picture of three kinds", () => {
  assert.equal(wrongLogo({ type: "image/png", size: largestLogo }), "");
  assert.match(wrongLogo({ type: "image/png", size: largestLogo + 1 }), /64 KiB/);
  assert.match(wrongLogo({ type: "image/svg+xml", size: 10 }), /PNG/);
  assert.match(wrongLogo({ type: "image/webp", size: 0 }), /empty/);
  const data = Uint8Array.from({ length: 20_000 }, (_, i) => i % 256);
  assert.deepEqual(Buffer.from(base64(data), "base64"), Buffer.from(data));
});
