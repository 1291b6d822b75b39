import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOptions, curlExample, expiry, inboxName, mergeRequests, nextInboxName } from "../../pages/inbox/words.ts";
import type { Inbox, InboxRequest } from "../types.ts";

const inbox = (part: Partial<Inbox>): Inbox => ({
  id: "inb_0123456789abcdef", agent_id: "a", name: "", url: "http://127.0.0.1/in/x", respond_status: 200, created_at: "2026-04-26T08:00:00.000Z",
  expires_at: null, requests: 0, last_request_at: null, endpoint_ids: [], ...part,
});
const requests = (...ids: string[]): readonly InboxRequest[] => ids.map((id) => ({ id }) as InboxRequest);
const ids = (rows: readonly InboxRequest[]): string => rows.map((r) => r.id).join("");

test("an inbox has a name, and new ones the first free number", () => {
  assert.equal(inboxName(inbox({ name: "Mine" })), "Mine");
  assert.equal(inboxName(inbox({})), "Inbox abcdef");
  assert.equal(nextInboxName([]), "Inbox 1");
  assert.equal(nextInboxName([inbox({ name: "Inbox 1" }), inbox({ name: "Inbox 3" })]), "Inbox 2");
});

test("the end of an inbox is said in words", () => {
  const now = Date.parse("2026-04-26T08:00:00.000Z");
  assert.equal(expiry(inbox({ expires_at: "2026-05-02T07:00:00.000Z" }), now), "In 5 d 23 h");
  assert.equal(expiry(inbox({}), now), "Never");
  assert.match(expiry(inbox({ expires_at: "2026-04-26T07:00:00.000Z" }), now), /^Gone 1 hr\. ago$/);
});

test("a status that is no choice of ours stays a choice", () => {
  assert.equal(answerOptions(503).length, 8);
  assert.deepEqual(answerOptions(418)[0], { value: "418", label: "418" });
});

test("new requests come first, loaded ones stay, and nothing changes without need", () => {
  const rows = requests("c", "b", "a");
  assert.equal(ids(mergeRequests(rows, requests("d", "c"), false)), "dcba");
  assert.equal(mergeRequests(rows, requests("c", "b"), false), rows);
  assert.equal(mergeRequests(rows, requests("c", "b", "a"), true), rows);
  assert.equal(ids(mergeRequests(rows, requests("d"), true)), "d");
  assert.equal(ids(mergeRequests(rows, [], true)), "");
});

test("the example is one command that a shell understands", () => {
  const text = curlExample("https://hooks.example.com/in/abc");
  assert.ok(text.includes("'https://hooks.example.com/in/abc'"));
  assert.deepEqual(text.split("\n").map((line) => line.endsWith("\\")), [true, true, false]);
});
