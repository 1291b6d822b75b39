import assert from "node:assert/strict";
import { test } from "node:test";
import { learnTime, now, serverNow } from "../clock.ts";

const hour = 3_600_000;
/** An answer's Date, so many milliseconds from the browser's time. */
const date = (off: number): string => new Date(Date.now() + off).toUTCString();
/** Holds what the server's clock is ahead, to the second or so that a Date has. */
const isAhead = (ms: number): void => assert.ok(Math.abs(serverNow() - Date.now() - ms) <= 1_100, `${serverNow() - Date.now()}`);

test("the server's clock is known from its answers", () => {
  isAhead(0);
  learnTime(date(-hour), Date.now());
  isAhead(-hour);
  assert.ok(Math.abs(now.value - serverNow()) < 1_000);
  learnTime(date(2 * hour), Date.now());
  isAhead(2 * hour);
  learnTime(date(2 * hour + 3_000), Date.now());
  isAhead(2 * hour); // a little more is noise
  learnTime(date(0), Date.now()); // the browser's clock was set
  isAhead(0);
});

test("an answer that took long, or has no time, says nothing", () => {
  learnTime(date(-30_000), Date.now() - 60_000);
  isAhead(0);
  for (const nothing of [null, "", "yesterday"]) learnTime(nothing, Date.now());
  isAhead(0);
  learnTime(date(-3_000), Date.now());
  isAhead(0);
});
