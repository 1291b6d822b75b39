import assert from "node:assert/strict";
import { test } from "node:test";
import { attemptTimes, blankDraft, check, type Draft, draftOf, inputOf, isChanged, liveErrors, mask, placeErrors, previewInputOf, rotationOf, withProfile, withTyped } from "../../pages/webhooks/form-model.ts";
import { parseWait, parseWaits, spanWords, waitsText, waitText } from "../../pages/webhooks/form-waits.ts";
import type { Endpoint, Profiles } from "../types.ts";

const schedule = [5, 30, 120];
const signature = { header: "webhook-signature", scheme: "standard", signed: "id.timestamp.body", encoding: "base64", prefix: "v1," } as const;
const profiles: Profiles = {
  profiles: [
    { name: "standard", format: "standard", retry_policy: "standard", include_messages: false, standard_headers: true },
    { name: "chatislav", format: "chatislav", retry_policy: "chatislav", include_messages: true, standard_headers: true },
  ],
  formats: [{ name: "standard", signature, event_names: {}, content_type: "application/json" }],
  retry_policies: ["standard", "chatislav"].map((name) => ({ name, schedule_seconds: schedule, window_seconds: 86_400, success: "2xx", retries: "", suspends_on_gone: true })),
};

const stored: Endpoint = {
  id: "ep_1", agent_id: "a", url: "https://example.com/hooks", description: "CRM", enabled: true, events: ["lead.submit"], profile: "standard", method: "POST",
  timeout_seconds: 30, headers: [{ name: "X-Api-Key", value: mask }], format: "standard", signed: true, include_messages: false, standard_headers: true,
  retry: { policy: "standard", schedule_seconds: schedule, window_seconds: 86_400 }, rate_limit_per_second: null, concurrency: null,
  state: "active", state_reason: null, state_since: null, created_at: "2026-01-01T00:00:00.000Z", updated_at: "2026-01-01T00:00:00.000Z", warnings: [],
};
const draft = draftOf(stored, profiles);
const patch = (change: Partial<Draft>): unknown => inputOf(draft, { ...draft, ...change }, true);

test("what was not touched is not sent", () => {
  assert.deepEqual(patch({}), {});
  assert.equal(isChanged(draft, { ...draft }), false);
  assert.equal(isChanged(draft, { ...draft, overlap: "0" }), false, "an overlap alone changes nothing");
  assert.equal(isChanged(draft, { ...draft, headers: [...draft.headers, { key: 9, name: "", value: "", stored: "" }] }), false, "an empty row changes nothing");
  assert.equal(isChanged(draft, { ...draft, secret: "generate" }), true);
});

test("only what was changed is sent", () => {
  assert.deepEqual(patch({ url: " https://example.org/ ", timeout: "5" }), { url: "https://example.org/", timeout_seconds: 5 });
  assert.deepEqual(patch({ all: true }), { events: ["*"] });
  assert.deepEqual(patch({ events: [] }), { events: [] });
  assert.deepEqual(patch({ rate: "2,5", concurrency: "3" }), { rate_limit_per_second: 2.5, concurrency: 3 });
  assert.deepEqual(patch({ schedule: "1 min, 1 h", window: "2 h" }), { retry: { schedule_seconds: [60, 3600], window_seconds: 7200 } });
  assert.deepEqual(patch({ schedule: "" }), { retry: { schedule_seconds: [] } });
});

test("stored header values are kept by the mask", () => {
  const added = { key: 7, name: "X-New", value: "v", stored: "" };
  assert.deepEqual(patch({ headers: [...draft.headers, added] }), { headers: [{ name: "X-Api-Key", value: mask }, { name: "X-New", value: "v" }] });
  assert.deepEqual(patch({ headers: [] }), { headers: [] });
});

test("an override that is taken back is null, and a new profile brings its own", () => {
  const own = draftOf({ ...stored, include_messages: true, retry: { policy: "chatislav", schedule_seconds: [1], window_seconds: 60 } }, profiles);
  assert.equal(own.includeMessages, true);
  assert.equal(own.schedule, "1 s");
  assert.deepEqual(inputOf(own, { ...own, includeMessages: null, policy: "", schedule: null, window: null }, true), {
    include_messages: null, retry: { policy: null, schedule_seconds: null, window_seconds: null },
  });
  assert.deepEqual(inputOf(own, withProfile(own, "chatislav"), true), { profile: "chatislav" });
});

test("a new webhook says everything that is not left to its profile", () => {
  const fresh = { ...blankDraft("chatislav", "generate"), url: "https://example.com/", events: ["lead.submit"] };
  assert.deepEqual(inputOf(null, fresh, false), {
    url: "https://example.com/", description: "", enabled: true, events: ["lead.submit"], method: "POST", timeout_seconds: 30, headers: [],
    profile: "chatislav", rate_limit_per_second: null, concurrency: null, generate_secret: true,
  });
});

test("secrets: a present one is rotated, a missing one is set, a typed one is never previewed", () => {
  const typed: Draft = { ...draft, secret: "own", ownSecret: "correct horse battery", overlap: "3600" };
  assert.deepEqual(inputOf(draft, typed, true), {});
  assert.deepEqual(rotationOf(typed, true), { overlap_seconds: 3600, secret: "correct horse battery" });
  assert.deepEqual(rotationOf({ ...draft, secret: "generate" }, true), { overlap_seconds: 86_400 });
  assert.equal(rotationOf(typed, false), null);
  assert.deepEqual(inputOf(draft, typed, false), { secret: "correct horse battery" });
  assert.deepEqual(previewInputOf(draft, typed, false), { generate_secret: true });
  assert.deepEqual(inputOf(draft, { ...draft, secret: "none" }, true), { secret: null });
  assert.deepEqual(previewInputOf(draft, { ...draft, secret: "none" }, true), { secret: null });
});

test("what is typed during a save is kept over what was saved", () => {
  const sent: Draft = { ...draft, description: " Ours ", timeout: "5", secret: "generate" };
  const saved = draftOf({ ...stored, description: "Ours", timeout_seconds: 5 }, profiles);
  assert.deepEqual(withTyped(saved, sent, sent), saved);
  const added = { key: 3, name: "X-New", value: "v", stored: "" };
  const now: Draft = { ...sent, timeout: "50", headers: [...sent.headers, added] };
  assert.deepEqual(withTyped(saved, sent, now), { ...saved, timeout: "50", headers: [...sent.headers, added] });
});

test("what is wrong is said at its field", () => {
  assert.deepEqual(check(draft), {});
  const wrong = check({
    ...draft, url: " ", timeout: "121", rate: "0", concurrency: "1.5", secret: "own", ownSecret: "short", schedule: "soon", window: "8 d",
    headers: [{ key: 4, name: "", value: "x", stored: "" }],
  });
  assert.deepEqual(Object.keys(wrong).sort(), [
    "concurrency", "headers.4.name", "rate_limit_per_second", "retry.schedule_seconds", "retry.window_seconds", "secret", "timeout_seconds", "url",
  ]);
});

test("the server's errors find their fields", () => {
  const rows = { ...draft, headers: [{ key: 3, name: "", value: "", stored: "" }, { key: 8, name: "Host", value: "x", stored: "" }] };
  const placed = placeErrors(
    [
      { location: "body.url", message: "The address is not on the public internet." },
      { location: "body.headers[0].name", message: "is set by Waybell or by HTTP itself" },
      { location: "body.endpoint.events[2]", message: "is no event type" },
      { location: "body.retry.schedule_seconds[0]", message: "must be 1 to 86400" },
      { location: "body.generate_secret", message: "the format cannot be signed with this kind of secret" },
      { location: "body.new_thing", message: "is unknown" },
    ],
    rows,
  );
  assert.deepEqual(placed.fields, {
    url: "The address is not on the public internet.",
    "headers.8.name": "This is set by Waybell or by HTTP itself.",
    events: "This is no event type.",
    "retry.schedule_seconds": "This must be 1 to 86400.",
    secret: "The format cannot be signed with this kind of secret.",
  });
  assert.deepEqual(placed.rest, ["new_thing: is unknown"]);
});

test("what is only begun is not called wrong", () => {
  const problems = [{ location: "body.endpoint.url", message: "The URL must begin with https://." }, { location: "body.endpoint.headers[0].name", message: "must be a header name" }];
  const begun = { ...draft, url: "https:", headers: [{ key: 0, name: "", value: "x", stored: "" }] };
  assert.deepEqual(liveErrors(problems, begun), {});
  assert.deepEqual(Object.keys(liveErrors(problems, { ...begun, url: "ftp://x", headers: [{ key: 0, name: "Host", value: "x", stored: "" }] })), ["url", "headers.0.name"]);
});

test("spans are read as they are written", () => {
  for (const seconds of [1, 59, 60, 90, 3_600, 5_400, 86_400, 90_061]) assert.equal(parseWait(waitText(seconds)), seconds);
  assert.deepEqual(parseWaits("5s, 30 sec,2m; 1h30min\n1 d"), [5, 30, 120, 5_400, 86_400]);
  assert.deepEqual(parseWaits(waitsText(schedule)), schedule);
  assert.deepEqual(parseWaits("  "), []);
  for (const text of ["", "soon", "5 x", "-3", "0", "1.5 h"]) assert.equal(typeof parseWait(text), "string", text);
});

test("spans in sentences", () => {
  for (const [seconds, words] of [[86_400, "24 hours"], [604_800, "7 days"], [3_600, "1 hour"], [7_200, "2 hours"], [5_400, "1 h 30 min"]] as const) {
    assert.equal(spanWords(seconds), words);
  }
});

test("attempts beyond the window are not made", () => {
  assert.deepEqual(attemptTimes({ policy: "", schedule_seconds: [5, 30, 120], window_seconds: 60 }), { times: [0, 5, 35], beyond: 1 });
  assert.deepEqual(attemptTimes({ policy: "", schedule_seconds: [], window_seconds: 60 }), { times: [0], beyond: 0 });
});
