/** Loading data for a page: one hook for a thing, one for a list with pages. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { isAbort, reconnects } from "./api.ts";
import type { Page } from "./types.ts";

type Deps = readonly unknown[];

const same = (a: Deps, b: Deps): boolean => a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

export interface Resource<T> {
  /** What was loaded last; it stays while it is loaded again. */
  readonly data: T | undefined;
  readonly error: unknown;
  readonly loading: boolean;
  readonly reload: () => void;
  /** Changes the data in place, after a call that answered the new version. */
  readonly set: (change: (data: T) => T) => void;
}

/** What is known, and what it was asked with: for anything else it is no answer, not even for one frame. */
type State<T> = { of: Deps; data: T | undefined; error: unknown; loading: boolean };

const unanswered = (of: Deps): State<never> => ({ of, data: undefined, error: undefined, loading: true });

/**
 * Loads when the component appears, when `deps` change, and when the server
 * comes back. An answer to an older question is dropped.
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: Deps): Resource<T> {
  const [state, setState] = useState<State<T>>(unanswered(deps));
  const [turn, setTurn] = useState(0);
  const back = reconnects.value;
  useEffect(() => {
    const abort = new AbortController();
    setState((s) => ({ ...unanswered(deps), data: same(s.of, deps) ? s.data : undefined }));
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ of: deps, data, error: undefined, loading: false });
      },
      (error: unknown) => {
        if (!abort.signal.aborted && !isAbort(error)) setState((s) => ({ ...s, error, loading: false }));
      },
    );
    return () => abort.abort();
  }, [...deps, turn, back]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const set = useCallback((change: (data: T) => T) => {
    setState((s) => (s.data === undefined ? s : { ...s, data: change(s.data) }));
  }, []);
  const { data, error, loading } = same(state.of, deps) ? state : unanswered(deps);
  return { data, error, loading, reload, set };
}

export interface PagedResource<T> {
  readonly rows: readonly T[];
  /** True until the first page is there. */
  readonly starting: boolean;
  readonly loading: boolean;
  readonly error: unknown;
  readonly hasMore: boolean;
  readonly more: () => void;
  readonly reload: () => void;
  readonly set: (change: (rows: readonly T[]) => readonly T[]) => void;
}

type PagedState<T> = { of: Deps; rows: readonly T[]; next: string | null; starting: boolean; loading: boolean; error: unknown };

const unread = (of: Deps): PagedState<never> => ({ of, rows: [], next: null, starting: true, loading: true, error: undefined });

/** A list of the API, page by page. A filtered page may be empty and still have a next one. */
export function usePages<T>(load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>, deps: Deps): PagedResource<T> {
  const [state, setState] = useState<PagedState<T>>(unread(deps));
  const [turn, setTurn] = useState(0);
  const back = reconnects.value;
  const latest = useRef(load);
  latest.current = load;
  const abort = useRef<AbortController | null>(null);

  const fetchPage = useCallback((cursor: string | undefined, signal: AbortSignal) => {
    setState((s) => ({ ...s, loading: true, error: undefined }));
    latest.current(cursor, signal).then(
      (page) => {
        if (signal.aborted) return;
        setState((s) => ({
          ...s, rows: cursor === undefined ? page.data : [...s.rows, ...page.data],
          next: page.next_cursor, starting: false, loading: false, error: undefined,
        }));
      },
      (error: unknown) => {
        if (!signal.aborted && !isAbort(error)) setState((s) => ({ ...s, loading: false, starting: false, error }));
      },
    );
  }, []);

  useEffect(() => {
    const controller = new AbortController();
    abort.current = controller;
    setState((s) => (same(s.of, deps) ? s : unread(deps)));
    fetchPage(undefined, controller.signal);
    return () => controller.abort();
  }, [...deps, turn, back]);

  const { rows, next, starting, loading, error } = same(state.of, deps) ? state : unread(deps);
  const more = useCallback(() => {
    if (next !== null && !loading && abort.current !== null) fetchPage(next, abort.current.signal);
  }, [next, loading, fetchPage]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const set = useCallback((change: (rows: readonly T[]) => readonly T[]) => setState((s) => ({ ...s, rows: change(s.rows) })), []);
  return { rows, starting, loading, error, hasMore: next !== null, more, reload, set };
}
