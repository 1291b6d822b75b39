import assert from "node:assert/strict";
import { test } from "node:test";
import { asText, contrast, parseHex, textOn, type Rgb } from "../contrast.ts";
import { explain } from "../explain.ts";
import { deliveryPhrase, deliveryStates, outcomePhrase } from "../state.ts";
import type { Delivery, Reason } from "../types.ts";

const reasons: readonly Reason[] = ["http_status", "timeout", "dns", "connect", "tls", "connection_lost", "bad_response", "blocked", "gone", "expired", "canceled"];

test("every reason is explained, with a cause and a fix", () => {
  assert.equal(explain("delivered", 200), null);
  for (const reason of reasons) {
    for (const status of [null, 301, 400, 418, 500, 599]) {
      const found = explain(reason, status);
      for (const text of [found?.title, found?.cause, found?.fix]) assert.ok(text !== undefined && text.length > 10, reason);
    }
  }
});

test("every status of an answer has words", () => {
  for (let status = 300; status < 600; status++) assert.match(explain("http_status", status)?.title ?? "", new RegExp(`\\(${status}\\)`));
  assert.equal(outcomePhrase("http_status", 503), "HTTP 503");
  assert.equal(outcomePhrase("timeout", null), "timed out");
});

const delivery: Delivery = {
  id: "dlv_1", event_id: "evt_1", event: "lead.submit", endpoint_id: "ep_1", state: "retrying", reason: "http_status", attempts: 3,
  next_attempt_at: "2026-04-26T08:44:14.000Z", last_status_code: 503, created_at: "2026-04-26T08:30:14.000Z", finished_at: null,
};

test("a delivery says what comes next", () => {
  const now = Date.parse("2026-04-26T08:30:14.000Z");
  assert.equal(deliveryPhrase(delivery, now, 12), "Retrying 3 of 12, next in 14 min");
  assert.equal(deliveryPhrase(delivery, now), "Retrying after 3 attempts, next in 14 min");
  assert.equal(deliveryPhrase({ ...delivery, state: "failed", reason: "expired", next_attempt_at: null }, now), "Failed: HTTP 503 after 3 attempts");
  assert.equal(deliveryPhrase({ ...delivery, state: "delivered" }, now), "Delivered at attempt 3");
  for (const info of Object.values(deliveryStates)) assert.ok(info.word !== "" && info.text.endsWith("."));
});

test("any colour of a platform is readable", () => {
  assert.deepEqual(parseHex("#3E63dd"), [62, 99, 221]);
  for (const bad of ["3e63dd", "#fff", "#12345g", "red; x", ""]) assert.equal(parseHex(bad), null);
  for (let r = 0; r <= 255; r += 51) {
    for (let g = 0; g <= 255; g += 51) {
      for (let b = 0; b <= 255; b += 51) {
        const color: Rgb = [r, g, b];
        assert.ok(contrast(textOn(color), color) >= 4.5, `on ${color.join()}`);
        assert.ok(contrast(asText(color, "light"), [240, 240, 243]) >= 4.5, `light ${color.join()}`);
        assert.ok(contrast(asText(color, "dark"), [43, 46, 49]) >= 4.5, `dark ${color.join()}`);
      }
    }
  }
});
