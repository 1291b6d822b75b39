/** The pure half of the router: fragments and patterns. */

export type Params = Readonly<Record<string, string>>;

export interface Route {
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Reads "#/webhooks?state=failing". Anything else is the first page. */
export function parseHash(hash: string): Route {
  const text = hash.startsWith("#/") ? hash.slice(1) : "/";
  const mark = text.indexOf("?");
  const path = mark < 0 ? text : text.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1));
  return { path: normalize(path), query };
}

/** The other way round; null, undefined, false and "" are left out. */
export function buildHash(path: string, params: Readonly<Record<string, string | number | boolean | null | undefined>> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "" && value !== false) query.set(name, String(value));
  }
  query.sort();
  const text = query.toString();
  return `#${normalize(path)}${text === "" ? "" : `?${text}`}`;
}

function normalize(path: string): string {
  const trimmed = path.replace(/\/{2,}/g, "/").replace(/\/$/, "");
  return trimmed.startsWith("/") ? trimmed : `/${trimmed}`;
}

/** Matches "/webhooks/:id" against a path; null when it does not fit. */
export function matchPattern(pattern: string, path: string): Params | null {
  const want = normalize(pattern).split("/");
  const have = normalize(path).split("/");
  if (want.length !== have.length) return null;
  const params: Record<string, string> = {};
  for (const [i, part] of want.entries()) {
    const value = have[i] ?? "";
    if (!part.startsWith(":")) {
      if (part !== value) return null;
      continue;
    }
    if (value === "") return null;
    const decoded = decode(value);
    if (decoded === null) return null;
    params[part.slice(1)] = decoded;
  }
  return params;
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** The one-time key in the fragment of a link, as it stands there; null: it is a page's. */
export function keyOf(hash: string): string | null {
  return /^#key=([^&]*)/.exec(hash)?.[1] ?? null;
}
