import assert from "node:assert/strict";
import { test } from "node:test";
import { buildHash, keyOf, matchPattern, parseHash } from "../route.ts";

test("fragments are read", () => {
  for (const [hash, path, query] of [
    ["", "/", ""],
    ["#", "/", ""],
    ["#/", "/", ""],
    ["#webhooks", "/", ""],
    ["#/webhooks/", "/webhooks", ""],
    ["#//webhooks", "/webhooks", ""],
    ["#/webhooks?state=failing&search=a%20b", "/webhooks", "state=failing&search=a+b"],
    ["#/a?b=c?d", "/a", "b=c%3Fd"],
  ] as const) {
    const route = parseHash(hash);
    assert.equal(route.path, path, hash);
    assert.equal(route.query.toString(), query, hash);
  }
});

test("fragments are built, sorted, without what is empty", () => {
  assert.equal(buildHash("/webhooks"), "#/webhooks");
  assert.equal(buildHash("webhooks", { state: "failed", event: "", page: null, none: undefined, no: false, all: true }), "#/webhooks?all=true&state=failed");
  assert.equal(buildHash("/a", { b: "1 & 2" }), "#/a?b=1+%26+2");
});

test("what is built is read back", () => {
  const hash = buildHash("/deliveries", { search: "ü&=#?/", status_code: 503 });
  assert.deepEqual(Object.fromEntries(parseHash(hash).query), { search: "ü&=#?/", status_code: "503" });
});

test("patterns match whole paths", () => {
  assert.deepEqual(matchPattern("/webhooks/:id/:tab", "/webhooks/ep_1/testing"), { id: "ep_1", tab: "testing" });
  assert.deepEqual(matchPattern("/", "/"), {});
  assert.deepEqual(matchPattern("/agents/:id", "/agents/a%3Ab"), { id: "a:b" });
  for (const path of ["/webhooks", "/webhooks/", "/webhooks/a/b", "/other/a", "/webhooks/%E0%A4%A"]) {
    assert.equal(matchPattern("/webhooks/:id", path), null, path);
  }
});

test("only a link's fragment has a key", () => {
  for (const [hash, key] of [
    ["", null],
    ["#/", null],
    ["#/?a=b&key=wbo_1", null],
    ["#/key=wbo_1", null],
    ["#monkey=wbo_1", null],
    ["#key=wbo_a-b_C9", "wbo_a-b_C9"],
    ["#key=wbo_1&x=y", "wbo_1"],
    ["#key=", ""],
    ["#key=%", "%"],
  ] as const) assert.equal(keyOf(hash), key, hash);
});
