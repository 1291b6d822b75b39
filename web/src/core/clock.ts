import { signal } from "@preact/signals";

/** How many milliseconds the server's clock is ahead of the browser's. */
let ahead = 0;
/** A smaller difference says nothing: an answer's Date is to the second, and was on its way. */
const tolerance = 5_000;

/**
 * Learns the server's time from an answer's Date and from when it was asked.
 * Browsers have wrong clocks; where both agree, the browser's own is finer.
 */
export function learnTime(date: string | null, asked: number): void {
  const at = Date.parse(date ?? "");
  if (Number.isNaN(at)) return;
  const off = at < asked ? at - asked : Math.max(0, at - Date.now());
  if (Math.abs(off - ahead) > tolerance) ahead = Math.abs(off) > tolerance ? off : 0;
}

/** The time by the server's clock: what is compared with times of the API, or sent to it. */
export const serverNow = (): number => Date.now() + ahead;

/**
 * A clock that makes who reads it while rendering render again at each tick. It
 * tells the server's time at the reading, not at the tick: what happened since
 * the tick must not lie in the future.
 */
class Clock {
  readonly #ticks = signal(0);
  #last = Date.now();

  get value(): number {
    void this.#ticks.value;
    return serverNow();
  }

  /** Ticks if the last time was so many milliseconds ago, or the browser's clock was set. */
  tickAfter(ms: number): void {
    const at = Date.now();
    if (Math.abs(at - this.#last) < ms) return;
    this.#last = at;
    this.#ticks.value++;
  }
}

/** The time, for relative times: it ticks every 10 s. */
export const now = new Clock();

/** The same, every second, for countdowns of less than two minutes. */
export const second = new Clock();

export function startClock(): void {
  setInterval(() => {
    if (document.visibilityState === "hidden") return;
    second.tickAfter(0);
    now.tickAfter(10_000);
  }, 1_000);
}
