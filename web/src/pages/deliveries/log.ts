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

/** After so many rows came in live the list starts anew, and as many wait at most: neither may grow for ever. */
const longest = 5_000;
const first: LogView = { rows: [], starting: true, loading: true, error: undefined, hasMore: false, fresh: 0, gap: false };

export class DeliveryLog {
  readonly view: ReadonlySignal<LogView>;
  readonly #view = signal<LogView>(first);
  #source: LogSource;
  #abort = new AbortController();
  #next: string | null = null;
  #fresh = new Map<string, Delivery>();
  #hold = false;
  #came = 0;
  /** Asked to refresh before the first page was there: it may be older than what was missed. */
  #again = false;
  /** Pages on their way. */
  #underWay = 0;
  /** What the stream said since then: it may be newer than the pages. */
  #meanwhile = new Map<string, Delivery>();

  constructor(source: LogSource) {
    this.#source = source;
    this.view = this.#view;
  }

  /** Loads the first page in the place of all. */
  reload(): void {
    this.stop();
    this.#abort = new AbortController();
    this.#underWay = 0;
    this.#meanwhile.clear();
    this.#set({ loading: true, error: undefined });
    this.#fetch(undefined, (page) => {
      this.#next = page.next_cursor;
      this.#fresh.clear();
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
      this.#take(page.data);
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
    if (this.#fresh.size === 0) return;
    const rows = merge(this.#view.peek().rows, [...this.#fresh.values()]);
    this.#fresh.clear();
    this.#set({ rows });
  }

  /** Takes rows as the stream has them, the newest state of each. */
  push(changes: readonly Delivery[]): void {
    if (this.#underWay > 0) for (const row of changes) this.#meanwhile.set(row.id, row);
    if (!this.#view.peek().starting) this.#take(changes);
  }

  #take(changes: readonly Delivery[]): void {
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
      if (this.#fresh.has(row.id)) this.#fresh.set(row.id, row);
      else if (this.#source.matches(row) === true && this.#reaches(rows, row)) inserted.push(row);
    }
    if (inserted.length > 0) {
      this.#came += inserted.length;
      if (this.#hold) this.#keep(inserted);
      else if (this.#came > longest) return this.reload();
    }
    if (changed || inserted.length > 0) this.#set({ rows: this.#hold ? rows : merge(rows, inserted) });
  }

  /** Lets rows wait. Those of a gap need not: what is shown then is loaded anew. */
  #keep(rows: readonly Delivery[]): void {
    if (this.#view.peek().gap) return;
    for (const row of rows) this.#fresh.set(row.id, row);
    if (this.#fresh.size <= longest) return;
    this.#fresh.clear();
    this.#set({ gap: true });
  }

  /** Rows beyond the loaded pages come with their page. */
  #reaches(rows: readonly Delivery[], row: Delivery): boolean {
    const last = rows.at(-1);
    return this.#next === null || last === undefined || row.id > last.id;
  }

  #fetch(cursor: string | undefined, then: (page: Page<Delivery>) => void): void {
    const { signal } = this.#abort;
    this.#underWay++;
    const missed = (): readonly Delivery[] => {
      const rows = [...this.#meanwhile.values()];
      if (--this.#underWay === 0) this.#meanwhile.clear();
      return rows;
    };
    this.#source.load(cursor, signal).then(
      (page) => {
        if (signal.aborted) return;
        const newer = missed();
        then(page);
        if (signal.aborted) return; // it was too much: all is loaded anew
        this.#set({ starting: false, loading: this.#underWay > 0, error: undefined });
        if (this.#again) {
          this.#again = false;
          this.refresh();
        }
        if (newer.length > 0) this.push(newer.filter((row) => !isOlder(row, this.#known(row.id))));
      },
      (error: unknown) => {
        if (signal.aborted) return;
        missed();
        this.#set({ starting: false, loading: this.#underWay > 0, error });
      },
    );
  }

  #known(id: string): Delivery | undefined {
    const { rows } = this.#view.peek();
    const row = rows[find(rows, id)];
    return row?.id === id ? row : this.#fresh.get(id);
  }

  #set(change: Partial<LogView>): void {
    const next = { ...this.#view.peek(), ...change };
    this.#view.value = { ...next, fresh: this.#fresh.size, hasMore: this.#next !== null };
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
