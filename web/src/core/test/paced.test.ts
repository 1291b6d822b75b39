import assert from "node:assert/strict";
import { test } from "node:test";
import { Paced } from "../paced.ts";

test("one call at a time, and one more for all that was asked meanwhile", async () => {
  const ends: (() => void)[] = [];
  const signals: AbortSignal[] = [];
  let began: () => void = () => undefined;
  const next = (): Promise<void> => new Promise((resolve) => { began = resolve; });
  const paced = new Paced((signal) => {
    signals.push(signal);
    began();
    return new Promise((resolve) => ends.push(resolve));
  }, 1);
  for (let i = 0; i < 5; i++) paced.run();
  assert.equal(ends.length, 1);
  const second = next();
  ends[0]?.();
  await second;
  assert.equal(ends.length, 2);
  paced.run();
  paced.stop();
  assert.equal(signals[1]?.aborted, true);
  ends[1]?.();
  await new Promise((resolve) => setImmediate(resolve)); // the end of the call is known
  paced.run();
  assert.equal(ends.length, 2);
});
