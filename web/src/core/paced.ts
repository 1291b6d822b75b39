/** A call that is asked for more often than it can be made. */
export class Paced {
  readonly #call: (signal: AbortSignal) => Promise<void>;
  readonly #apart: number;
  readonly #abort = new AbortController();
  #busy = false;
  #again = false;

  /** One call at a time, the next not before so many milliseconds after the last. */
  constructor(call: (signal: AbortSignal) => Promise<void>, apart: number) {
    this.#call = call;
    this.#apart = apart;
  }

  /** Calls now, or, however often it is asked meanwhile, once more after the call under way. */
  run(): void {
    if (this.#abort.signal.aborted) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    void this.#call(this.#abort.signal).finally(() => setTimeout(() => {
      this.#busy = false;
      if (!this.#again) return;
      this.#again = false;
      this.run();
    }, this.#apart));
  }

  /** Aborts the call under way, and makes no other. */
  stop(): void {
    this.#abort.abort();
  }
}
