import { open, type Query } from "./api.ts";

/** Fetches a file with the token and gives it to the reader under its name. */
export async function download(pathname: string, query: Query, fallback: string): Promise<void> {
  const response = await open(pathname, { query, headers: { Accept: "*/*" } });
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? fallback;
  save(await response.blob(), name);
}

/** Gives content that the page has to the reader as a file. */
export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
