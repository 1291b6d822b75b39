/** Loading data for a page: one hook for a thing, one for a list with pages. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { isAbort, reconnects } from "./api.ts";
import type { Page } from "./types.ts";

export interface Resource<T> {
  /** What was loaded last; it stays while it is loaded again. */
  readonly data: T | undefined;
  readonly error: unknown;
  readonly loading: boolean;
  readonly reload: () => void;
  /** Changes the data in place, after a call that answered the new version. */
  readonly set: (change: (data: T) => T) => void;
}

type State<T> = { data: T | undefined; error: unknown; loading: boolean };

/**
 * Loads when the component appears, when `deps` change, and when the server
 * comes back. An answer to an older question is dropped.
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[]): Resource<T> {
  const [state, setState] = useState<State<T>>({ data: undefined, error: undefined, loading: true });
  const [turn, setTurn] = useState(0);
  const back = reconnects.value;
  const asked = useRef(deps);
  useEffect(() => {
    const abort = new AbortController();
    const same = asked.current.length === deps.length && asked.current.every((d, i) => Object.is(d, deps[i]));
    asked.current = deps;
    setState((s) => ({ data: same ? s.data : undefined, error: undefined, loading: true }));
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ data, error: undefined, loading: false });
      },
      (error: unknown) => {
        if (!abort.signal.aborted && !isAbort(error)) setState((s) => ({ data: s.data, error, loading: false }));
      },
    );
    return () => abort.abort();
  }, [...deps, turn, back]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const set = useCallback((change: (data: T) => T) => {
    setState((s) => (s.data === undefined ? s : { ...s, data: change(s.data) }));
  }, []);
  return { ...state, reload, set };
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

type PagedState<T> = { rows: readonly T[]; next: string | null; starting: boolean; loading: boolean; error: unknown };

/** A list of the API, page by page. A filtered page may be empty and still have a next one. */
export function usePages<T>(load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>, deps: readonly unknown[]): PagedResource<T> {
  const [state, setState] = useState<PagedState<T>>({ rows: [], next: null, starting: true, loading: true, error: undefined });
  const [turn, setTurn] = useState(0);
  const back = reconnects.value;
  const latest = useRef(load);
  latest.current = load;
  const abort = useRef<AbortController | null>(null);
  const asked = useRef(deps);

  const fetchPage = useCallback((cursor: string | undefined, signal: AbortSignal) => {
    setState((s) => ({ ...s, loading: true, error: undefined }));
    latest.current(cursor, signal).then(
      (page) => {
        if (signal.aborted) return;
        setState((s) => ({
          rows: cursor === undefined ? page.data : [...s.rows, ...page.data],
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
    const same = asked.current.every((d, i) => Object.is(d, deps[i]));
    asked.current = deps;
    if (!same) setState({ rows: [], next: null, starting: true, loading: true, error: undefined });
    fetchPage(undefined, controller.signal);
    return () => controller.abort();
  }, [...deps, turn, back]);

  const { next, loading } = state;
  const more = useCallback(() => {
    if (next !== null && !loading && abort.current !== null) fetchPage(next, abort.current.signal);
  }, [next, loading, fetchPage]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const set = useCallback((change: (rows: readonly T[]) => readonly T[]) => setState((s) => ({ ...s, rows: change(s.rows) })), []);
  return { rows: state.rows, starting: state.starting, loading: state.loading, error: state.error, hasMore: next !== null, more, reload, set };
}
