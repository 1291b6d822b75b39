import { useEffect, useRef } from "preact/hooks";
import { connection } from "./api.ts";
import type { Resource } from "./load.ts";

/**
 * Runs every so many milliseconds while the page is shown, and at once when it
 * is shown again. It rests while the server is away: useLoad loads anew then.
 */
export function usePoll(every: number, run: () => void): void {
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => {
    const tick = (): void => {
      if (document.visibilityState === "visible" && connection.peek() === "ok") latest.current();
    };
    const timer = setInterval(tick, every);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }, [every]);
}

/** Loads anew what is shown. What takes longer than the pace is not asked for meanwhile: it would never be there. */
export function usePolled(every: number, ...all: readonly Pick<Resource<unknown>, "loading" | "reload">[]): void {
  usePoll(every, () => {
    for (const { loading, reload } of all) if (!loading) reload();
  });
}
