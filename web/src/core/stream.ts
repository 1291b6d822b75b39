/**
 * Live updates. One connection per path is shared by all who listen; it comes
 * back by itself with Last-Event-ID, and rests while the page is hidden.
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, isAbort, open, type Query, urlOf } from "./api.ts";
import { SseParser } from "./sse.ts";
import type { StreamEvent } from "./types.ts";

export type StreamState = "connecting" | "connected" | "reconnecting" | "paused" | "refused";
export type StreamListener = (event: StreamEvent) => void;

const firstWait = 1_000;
const longestWait = 30_000;
/** The server writes a comment every 15 s: a longer silence is a dead line. */
const silence = 40_000;

class Stream {
  readonly state = signal<StreamState>("connecting");
  readonly listeners = new Set<StreamListener>();
  #lastId = "";
  #wait = firstWait;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly pathname: string,
    readonly query: Query,
  ) {}

  start(): void {
    document.addEventListener("visibilitychange", this.#visibility);
    this.#visibility();
  }

  stop(): void {
    document.removeEventListener("visibilitychange", this.#visibility);
    this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  #visibility = (): void => {
    if (document.visibilityState === "hidden") {
      this.#rest();
      this.state.value = "paused";
    } else if (this.#abort === null) {
      this.#wait = firstWait;
      void this.#run();
    }
  };

  async #run(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    if (this.state.value !== "reconnecting") this.state.value = "connecting";
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const awake = (): void => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), silence);
    };
    try {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (this.#lastId !== "") headers["Last-Event-ID"] = this.#lastId;
      const response = await open(this.pathname, { query: this.query, signal: abort.signal, headers });
      awake();
      this.state.value = "connected";
      this.#wait = firstWait;
      await this.#read(response, awake);
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) {
        this.state.value = "refused";
        if (this.#abort === abort) this.#abort = null;
        return;
      }
      if (error instanceof ApiError && error.retryAfter !== null) this.#wait = Math.max(this.#wait, error.retryAfter * 1_000);
      if (!(error instanceof ApiError) && !isAbort(error) && !(error instanceof TypeError)) reportError(error);
    } finally {
      clearTimeout(watchdog);
    }
    if (this.#abort === abort) this.#again();
  }

  #again(): void {
    this.state.value = "reconnecting";
    const wait = this.#wait * (0.5 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, longestWait);
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  async #read(response: Response, awake: () => void): Promise<void> {
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    const decoder = new TextDecoder();
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      awake();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        this.#lastId = event.id;
        const known = toStreamEvent(event.type, event.data);
        if (known !== null) this.#tell(known);
      }
      if (parser.retry !== null) this.#wait = Math.min(parser.retry, longestWait);
    }
  }

  /** What one who listens cannot take is no reason to end the stream of the others. */
  #tell(event: StreamEvent): void {
    for (const listener of this.listeners) {
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

const names: ReadonlySet<string> = new Set<StreamEvent["type"]>(["hello", "delivery", "endpoint", "lagging"]);

/** Events that this version does not know are left out, as is what is no JSON. */
function toStreamEvent(type: string, data: string): StreamEvent | null {
  if (!names.has(type)) return null;
  try {
    return { type, data: JSON.parse(data) as unknown } as StreamEvent;
  } catch (error) {
    reportError(error);
    return null;
  }
}

const streams = new Map<string, Stream>();

/** Joins the stream at a path. `close` must be called in the end. */
function subscribe(pathname: string, query: Query, listener: StreamListener): { state: ReadonlySignal<StreamState>; close: () => void } {
  const key = urlOf(pathname, query).href;
  let stream = streams.get(key);
  if (stream === undefined) {
    stream = new Stream(pathname, query);
    streams.set(key, stream);
    stream.start();
  }
  const joined = stream;
  joined.listeners.add(listener);
  return {
    state: joined.state,
    close: () => {
      joined.listeners.delete(listener);
      if (joined.listeners.size > 0) return;
      joined.stop();
      streams.delete(key);
    },
  };
}

/** The state of the stream that the page listens to, for the shell; null: none. */
export const streamState = signal<StreamState | null>(null);

/** Those that are listened to now: when the last one to join leaves, the one before counts again. */
const heard: ReadonlySignal<StreamState>[] = [];

/** Listens while the component is shown. A null path listens to nothing. */
export function useStream(pathname: string | null, query: Query, listener: StreamListener): void {
  const key = JSON.stringify(query);
  useEffect(() => {
    if (pathname === null) return;
    const joined = subscribe(pathname, query, listener);
    heard.push(joined.state);
    const stop = joined.state.subscribe((state) => {
      streamState.value = state;
    });
    return () => {
      stop();
      heard.splice(heard.indexOf(joined.state), 1);
      joined.close();
      streamState.value = heard.at(-1)?.peek() ?? null;
    };
  }, [pathname, key, listener]);
}
