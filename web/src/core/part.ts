/** Parts of the screens that are files of their own, and are loaded when they are first shown. */
import { useEffect, useState } from "preact/hooks";
import { isUnreachable, open, reconnects } from "./api.ts";

type Load<T> = () => Promise<T>;

export interface Part<T> {
  /** Undefined while it is loaded. */
  readonly part: T | undefined;
  /** The server is there and the file is not: this page is of another version. */
  readonly missing: boolean;
}

const loaded = new Map<Load<unknown>, unknown>();

/** Loads a part once, and again when the server is back if it was only out of reach. `load` must always be the same function. */
export function usePart<T>(load: Load<T> | undefined): Part<T> {
  const [, setTurn] = useState(0);
  const [missing, setMissing] = useState<Load<T> | undefined>(undefined);
  const back = reconnects.value;
  useEffect(() => {
    setMissing(undefined);
    if (load === undefined || loaded.has(load)) return;
    let gone = false;
    const failed = async (): Promise<void> => {
      if (gone) return;
      try {
        // Without an answer this waits for the server, and `back` tells when it is there.
        await open("livez", { anonymous: true });
      } catch (error) {
        if (isUnreachable(error)) return;
      }
      if (!gone) setMissing(() => load);
    };
    load().then((part) => {
      loaded.set(load, part);
      if (!gone) setTurn((n) => n + 1);
    }, failed);
    return () => {
      gone = true;
    };
  }, [load, back]);
  return { part: load === undefined ? undefined : (loaded.get(load) as T | undefined), missing: load !== undefined && missing === load };
}
