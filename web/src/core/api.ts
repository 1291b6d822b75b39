/**
 * The transport to the API: one `request`, problem+json as `ApiError`, and the
 * state of the connection. The calls themselves are in client.ts.
 */
import { signal } from "@preact/signals";
import { learnTime } from "./clock.ts";
import type { FieldProblem, Page, Problem } from "./types.ts";

/** The server's root, found from the page's own address: works below any path. */
export const base = new URL("..", location.origin + location.pathname);

export type QueryValue = string | number | boolean | null | undefined;
export type Query = Readonly<Record<string, QueryValue>>;
type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RequestOptions {
  readonly query?: Query;
  readonly body?: unknown;
  /** Only change this version: the ETag of an earlier answer. */
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
  /** Send no token, and take a 401 for an answer like any other. */
  readonly anonymous?: boolean;
  /** Send this token instead of the page's, and take a 401 for an answer like any other. */
  readonly token?: string | undefined;
}

export interface Answer<T> {
  readonly data: T;
  readonly etag: string | null;
}

/** A failed call. `status` 0 means that the server could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: readonly FieldProblem[] = [],
    readonly requestId: string | null = null,
    /** Seconds after which it is worth trying again. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
    this.name = "ApiError";
  }

  /** The message for one field of the body, such as "url" or "headers[2].name". */
  field(location: string): string | undefined {
    return this.errors.find((e) => e.location === location || e.location === `body.${location}`)?.message;
  }
}

/** Tells an aborted call from a failed one: nobody waits for it any more. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Tells that there was no answer at all: the shell says so over the whole page. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ApiError && error.status === 0;
}

/** A sentence for people, whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return sentence(error.detail);
  return error instanceof Error ? sentence(error.message) : "Something went wrong.";
}

function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "Something went wrong.";
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

/** Builds a path with every value encoded: path`v1/agents/${id}`. */
export function path(parts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return parts.reduce((all, part, i) => all + encodeURIComponent(String(values[i - 1] ?? "")) + part);
}

export function urlOf(pathname: string, query: Query = {}): URL {
  const url = new URL(pathname, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url;
}

/** The bearer token, and what to do when it is refused; session.ts owns both. */
export const auth: { token: string | null; refused: () => Promise<boolean> } = {
  token: null,
  refused: async () => false,
};

/** Whether the server answers. Pages load again when it comes back. */
export const connection = signal<"ok" | "lost">("ok");
/** Counts the times that the server came back. */
export const reconnects = signal(0);

export async function request<T>(method: Method, pathname: string, options: RequestOptions = {}): Promise<Answer<T>> {
  const response = await sendSigned(method, pathname, options);
  const data = response.status === 204 ? undefined : await response.json();
  return { data: data as T, etag: response.headers.get("ETag") };
}

/** The answer as it comes, for streams and downloads; it throws on a failure. */
export async function open(pathname: string, options: RequestOptions & { headers?: Record<string, string> } = {}): Promise<Response> {
  return await sendSigned("GET", pathname, options, options.headers);
}

/** Sends a request, and once more where its token was refused and there is another one. */
async function sendSigned(method: Method, pathname: string, options: RequestOptions, extra: Record<string, string> = {}): Promise<Response> {
  let response = await send(method, pathname, options, extra);
  if (response.status === 401 && !options.anonymous && options.token === undefined && (await auth.refused())) {
    response = await send(method, pathname, options, extra);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function send(method: Method, pathname: string, options: RequestOptions, extra: Record<string, string> = {}): Promise<Response> {
  const headers = new Headers(extra);
  if (!headers.has("Accept")) headers.set("Accept", "application/json");
  const token = options.token ?? auth.token;
  if (token !== null && !options.anonymous) headers.set("Authorization", `Bearer ${token}`);
  if (options.ifMatch !== undefined) headers.set("If-Match", options.ifMatch);
  const init: RequestInit = { method, headers, cache: "no-store", credentials: "omit", signal: options.signal ?? null };
  if (options.body !== undefined) {
    headers.set("Content-Type", "application/json");
    init.body = JSON.stringify(options.body);
  }
  const asked = Date.now();
  try {
    const response = await fetch(urlOf(pathname, options.query), init);
    learnTime(response.headers.get("Date"), asked);
    if (connection.value === "lost") {
      connection.value = "ok";
      reconnects.value++;
    }
    return response;
  } catch (error) {
    if (isAbort(error)) throw error;
    lose();
    throw new ApiError(0, "unreachable", "The server cannot be reached. What is shown may be out of date");
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  let problem: Partial<Problem> = {};
  try {
    problem = (await response.json()) as Partial<Problem>;
  } catch {
    // A proxy's own page: the status is all there is.
  }
  return new ApiError(
    response.status,
    problem.code ?? "unknown",
    problem.detail ?? problem.title ?? `The server answered ${response.status}`,
    problem.errors ?? [],
    problem.request_id ?? response.headers.get("X-Request-Id"),
    Number.isNaN(retryAfter) ? null : retryAfter,
  );
}

let probing = false;

/** The server did not answer: asks every few seconds, until it does. */
function lose(): void {
  connection.value = "lost";
  if (probing) return;
  probing = true;
  const probe = async (wait: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, wait * (0.8 + Math.random() * 0.4)));
    try {
      await send("GET", "livez", { anonymous: true });
      probing = false;
    } catch {
      return probe(Math.min(wait * 1.6, 15_000));
    }
  };
  void probe(1_000);
}

/** Collects pages until there are no more, or `most` rows. */
export async function collect<T>(load: (cursor: string | undefined) => Promise<Page<T>>, most = 1_000): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<T> = await load(cursor);
    rows.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && rows.length < most);
  return rows;
}
