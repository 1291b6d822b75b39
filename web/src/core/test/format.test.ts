import assert from "node:assert/strict";
import { test } from "node:test";
import { absoluteUtc, bytes, count, duration, milliseconds, percent, relative, until, urlEnd, urlParts } from "../format.ts";

// The tests run with the locale en-US; what is tested is ours, not that of Intl.

test("spans have two units at most", () => {
  for (const [seconds, text] of [[0, "0 s"], [5, "5 s"], [60, "1 min"], [125, "2 min 5 s"], [3600, "1 h"], [3605, "1 h"], [85_955, "23 h 52 min"], [90_000, "1 d 1 h"]] as const) {
    assert.equal(duration(seconds), text);
  }
});

test("latencies", () => {
  for (const [ms, text] of [[0, "0 ms"], [0.42, "0.4 ms"], [41.2, "41 ms"], [999, "999 ms"], [1234, "1.2 s"], [125_000, "2 min 5 s"]] as const) {
    assert.equal(milliseconds(ms), text);
  }
});

test("a share is never rounded to none or all", () => {
  for (const [share, text] of [[0, "0%"], [0.0001, "< 0.1%"], [0.0123, "1.2%"], [0.5, "50%"], [0.9999, "> 99.9%"], [1, "100%"]] as const) {
    assert.equal(percent(share), text);
  }
});

test("sizes and counts", () => {
  assert.equal(bytes(1023), "1,023 B");
  assert.equal(bytes(16 * 1024), "16 KiB");
  assert.equal(bytes(1.5 * 1024 ** 3), "1.5 GiB");
  assert.equal(count(1, "delivery", "deliveries"), "1 delivery");
  assert.equal(count(1200, "delivery", "deliveries"), "1,200 deliveries");
});

test("times", () => {
  const at = "2026-04-26T08:30:14.123Z";
  const now = Date.parse(at);
  assert.equal(absoluteUtc(at), "2026-04-26 08:30:14.123 UTC");
  assert.equal(relative(at, now + 2_000), "now");
  assert.equal(relative(at, now + 300_000), "5 min. ago");
  assert.equal(relative(at, now - 7_200_000), "in 2 hr.");
  assert.equal(until(at, now - 840_000), "14 min");
  assert.equal(until(at, now + 1), "");
});

test("URLs have a strong host and a weak rest", () => {
  assert.deepEqual(urlParts("https://example.com/hooks?x=1"), { scheme: "https", host: "example.com", rest: "/hooks?x=1" });
  assert.deepEqual(urlParts("http://127.0.0.1:80/"), { scheme: "http", host: "127.0.0.1:80", rest: "" });
  assert.deepEqual(urlParts("nonsense"), { scheme: "", host: "nonsense", rest: "" });
});

test("a URL that is cut keeps the end of its path", () => {
  for (const [rest, end] of [
    ["", ""],
    ["/hooks", "/hooks"],
    ["/analytics/v2/collect", "/collect"],
    ["/v1/customers/7/", "customers/7/"],
    ["/hooks/of-the-warehouse-in-bremen", "se-in-bremen"],
    ["/hooks?environment=production", "t=production"],
  ] as const) {
    assert.equal(urlEnd(rest), end);
  }
});
