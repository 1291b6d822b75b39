/**
 * The rows of the log: pages of the API, kept true by the stream. New rows are
 * shown at once while the reader is at the top, and wait while they read.
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Delivery, Page } from "../../core/types.ts";

export interface LogView {
  readonly rows: readonly Delivery[];
  readonly starting: boolean;
  readonly loading: boolean;
  readonly error: unknown;
  readonly hasMore: boolean;
  /** New rows that wait to be shown. */
  readonly fresh: number;
  /** Rows are missing at the top: the stream was interrupted, or too fast. */
  readonly gap: boolean;
}

export interface LogSource {
  readonly load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Delivery>>;
  readonly matches: (row: Delivery) => boolean | "unknown";
}

/** After so many rows came in live the list starts anew: it must not grow for ever. */
const longest = 5_000;
const first: LogView = { rows: [], starting: true, loading: true, error: undefined, hasMore: false, fresh: 0, gap: false };

export class DeliveryLog {
  readonly view: ReadonlySignal<LogView>;
  readonly #view = signal<LogView>(first);
  #source: LogSource;
  #abort = new AbortController();
  #next: string | null = null;
  #fresh: Delivery[] = [];
  #hold = false;
  #came = 0;
  /** Asked to refresh before the first page was there: it may be older than what was missed. */
  #again = false;
  /** What the stream said while a page was on its way: it may be newer than the page. */
  #meanwhile = new Map<string, Delivery>();

  constructor(source: LogSource) {
    this.#source = source;
    this.view = this.#view;
  }

  /** Loads the first page in the place of all. */
  reload(): void {
    this.stop();
    this.#abort = new AbortController();
    this.#set({ loading: true, error: undefined });
    this.#fetch(undefined, (page) => {
      this.#next = page.next_cursor;
      this.#fresh = [];
      this.#came = 0;
      this.#set({ rows: page.data, gap: false });
    });
  }

  stop(): void {
    this.#abort.abort();
  }

  more(): void {
    const { loading } = this.#view.peek();
    if (this.#next === null || loading) return;
    this.#set({ loading: true, error: undefined });
    this.#fetch(this.#next, (page) => {
      this.#next = page.next_cursor;
      const last = this.#view.peek().rows.at(-1);
      const rows = last === undefined ? page.data : page.data.filter((row) => row.id < last.id);
      this.#set({ rows: [...this.#view.peek().rows, ...rows] });
    });
  }

  /**
   * Reads the first page again without moving anything: the stream missed
   * something. Known rows are renewed; unknown ones count as new.
   */
  refresh(): void {
    if (this.#view.peek().starting) {
      this.#again = true;
      return;
    }
    if (!this.#hold) return this.reload();
    this.#fetch(undefined, (page) => {
      const newest = this.#view.peek().rows[0];
      const oldest = page.data.at(-1);
      const gap = newest !== undefined && oldest !== undefined && page.next_cursor !== null && oldest.id > newest.id;
      if (gap) this.#set({ gap: true });
      this.push(page.data);
    });
  }

  /** While held, new rows wait. */
  hold(on: boolean): void {
    if (this.#hold === on) return;
    this.#hold = on;
    if (!on) this.show();
  }

  /** Shows the rows that wait. */
  show(): void {
    if (this.#view.peek().gap) return this.reload();
    if (this.#fresh.length === 0) return;
    const rows = merge(this.#view.peek().rows, this.#fresh);
    this.#fresh = [];
    this.#set({ rows });
  }

  /** Takes rows as the stream has them, the newest state of each. */
  push(changes: readonly Delivery[]): void {
    if (this.#view.peek().loading) for (const row of changes) this.#meanwhile.set(row.id, row);
    if (this.#view.peek().starting) return;
    const rows = [...this.#view.peek().rows];
    const inserted: Delivery[] = [];
    let changed = false;
    for (const row of changes) {
      const at = find(rows, row.id);
      if (rows[at]?.id === row.id) {
        rows[at] = row;
        changed = true;
        continue;
      }
      const waiting = this.#fresh.findIndex((f) => f.id === row.id);
      if (waiting >= 0) this.#fresh[waiting] = row;
      else if (this.#source.matches(row) === true && this.#reaches(rows, row)) inserted.push(row);
    }
    if (inserted.length > 0) {
      this.#came += inserted.length;
      if (this.#hold) this.#fresh.push(...inserted);
      else if (this.#came > longest) return this.reload();
    }
    if (changed || inserted.length > 0) this.#set({ rows: this.#hold ? rows : merge(rows, inserted) });
  }

  /** Rows beyond the loaded pages come with their page. */
  #reaches(rows: readonly Delivery[], row: Delivery): boolean {
    const last = rows.at(-1);
    return this.#next === null || last === undefined || row.id > last.id;
  }

  #fetch(cursor: string | undefined, then: (page: Page<Delivery>) => void): void {
    const { signal } = this.#abort;
    this.#meanwhile.clear();
    this.#source.load(cursor, signal).then(
      (page) => {
        if (signal.aborted) return;
        then(page);
        this.#set({ starting: false, loading: false, error: undefined });
        const missed = [...this.#meanwhile.values()];
        this.#meanwhile.clear();
        if (this.#again) {
          this.#again = false;
          this.refresh();
        }
        if (missed.length > 0) this.push(missed.filter((row) => !isOlder(row, this.#known(row.id))));
      },
      (error: unknown) => {
        if (!signal.aborted) this.#set({ starting: false, loading: false, error });
      },
    );
  }

  #known(id: string): Delivery | undefined {
    const { rows } = this.#view.peek();
    const row = rows[find(rows, id)];
    return row?.id === id ? row : undefined;
  }

  #set(change: Partial<LogView>): void {
    const next = { ...this.#view.peek(), ...change };
    this.#view.value = { ...next, fresh: this.#fresh.length, hasMore: this.#next !== null };
  }
}

/** Where an id is in rows, the newest first, or would be. Ids grow with time. */
export function find(rows: readonly Delivery[], id: string): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.id ?? "") > id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two lists as one, the newest first, without doubles. */
function merge(rows: readonly Delivery[], added: readonly Delivery[]): readonly Delivery[] {
  if (added.length === 0) return rows;
  const all = new Map([...rows, ...added].map((row) => [row.id, row]));
  return [...all.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
}

function isOlder(a: Delivery, b: Delivery | undefined): boolean {
  return b !== undefined && (a.attempts < b.attempts || (a.attempts === b.attempts && a.finished_at === null && b.finished_at !== null));
}
