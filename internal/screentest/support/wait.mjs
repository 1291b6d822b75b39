// Waiting for conditions. Nothing here waits for time to pass.
import { setTimeout as pause } from 'node:timers/promises';

/** How long a condition may take to come about: the machine may be busy. */
export const patience = 30_000;

/**
 * Asks again and again until the answer is truthy, and gives it.
 * @template T
 * @param {string} what said when it does not come about
 * @param {() => T | Promise<T>} condition
 */
export async function until(what, condition, limit = patience) {
  let last;
  for (const end = Date.now() + limit; Date.now() < end; ) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await pause(25);
  }
  throw new Error(`still not so: ${what}; the last answer was ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

/** Like until, for assertions: repeats them until none throws. */
export async function eventually(assertions, limit = patience) {
  for (const end = Date.now() + limit; ; ) {
    try {
      return await assertions();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await pause(25);
  }
}

/**
 * Gives what a promise gives, and fails if that takes too long: for what has no
 * limit of its own, such as code that runs inside a page.
 * @template T
 * @param {string} what said when it does not come about
 * @param {Promise<T>} promise
 */
export async function within(limit, what, promise) {
  const cancel = new AbortController();
  const late = pause(limit, undefined, { signal: cancel.signal }).then(() => {
    throw new Error(`not done within ${limit / 1000} s: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel.abort();
    late.catch(() => {});
    promise.catch(() => {}); // nobody waits for it any more
  }
}
