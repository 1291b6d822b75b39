import { signal } from "@preact/signals";

/**
 * A clock that makes who reads it while rendering render again at each tick. It
 * tells the time of the reading, not of the tick: what happened since the tick
 * must not lie in the future.
 */
class Clock {
  private readonly tick = signal(Date.now());

  get value(): number {
    return Math.max(this.tick.value, Date.now());
  }

  /** Ticks if the last time was so many milliseconds ago. */
  tickAfter(ms: number): void {
    const at = Date.now();
    if (at - this.tick.peek() >= ms) this.tick.value = at;
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
