import { open, type Query } from "./api.ts";

/** Gives content that the page has to the reader as a file. */
function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export interface Progress {
  readonly bytes: number;
  readonly lines: number;
}

export interface StreamDownload {
  readonly path: string;
  readonly query: Query;
  readonly name: string;
  readonly type: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

interface SavePicker {
  readonly showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

/**
 * Fetches a file of any size with the token and gives it to the reader, with its
 * progress. Where the browser can write files, it goes straight to the disk;
 * elsewhere it is gathered first. Call it from a click: choosing the file needs
 * one. An abort, also of the choice, throws an AbortError; nothing half is left
 * behind.
 */
export async function downloadStream(d: StreamDownload): Promise<void> {
  const file = await pick(d.name);
  const response = await open(d.path, { query: d.query, signal: d.signal, headers: { Accept: d.type } });
  const counted = (response.body ?? new Blob([]).stream()).pipeThrough(counter(d.onProgress));
  if (file !== null) {
    await counted.pipeTo(await file.createWritable(), { signal: d.signal });
    return;
  }
  save(await new Response(counted, { headers: { "Content-Type": d.type } }).blob(), d.name);
}

/** The file that the reader chooses; null where the browser has no such dialog, or a frame may not open it. */
async function pick(name: string): Promise<FileSystemFileHandle | null> {
  const choose = (window as SavePicker).showSaveFilePicker;
  if (choose === undefined || window.parent !== window) return null;
  return choose.call(window, { suggestedName: name });
}

function counter(onProgress: (progress: Progress) => void): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  let lines = 0;
  let told = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
      controller.enqueue(chunk);
      if (performance.now() - told < 100) return;
      told = performance.now();
      onProgress({ bytes, lines });
    },
    flush: () => onProgress({ bytes, lines }),
  });
}
