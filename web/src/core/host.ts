/**
 * The page that embeds the portal. Messages go to its exact origin and are
 * taken from nobody else: the server tells the allowed origins in the document.
 */
import { showTheme } from "./preference.ts";
import type { Theme } from "./types-server.ts";

export type ToHost = { readonly type: "ready" | "refresh-needed" } | { readonly type: "height"; readonly height: number };
type FromHost = { readonly type: "session"; readonly key: string } | { readonly type: "theme"; readonly theme: Theme };

const allowed: readonly string[] = (document.querySelector<HTMLMetaElement>('meta[name="waybell-portal-origins"]')?.content ?? "")
  .split(" ")
  .filter((origin) => origin !== "");

/** The origin of the page around this one, if it may embed the portal. */
function parentOrigin(): string | null {
  if (window.parent === window) return null;
  const ancestors = window.location.ancestorOrigins as DOMStringList | undefined;
  const candidate = ancestors?.item(0) ?? origin(document.referrer) ?? (allowed.length === 1 ? allowed[0] : null) ?? null;
  return candidate !== null && allowed.includes(candidate) ? candidate : null;
}

function origin(url: string): string | null {
  try {
    return new URL(url).origin;
  } catch {
    return null;
  }
}

class Host {
  #origin = parentOrigin();
  /** Takes a one-time key that the host fetched. */
  onSession: (key: string) => void = () => undefined;

  /** Whether there is a host that may be spoken to. */
  get known(): boolean {
    return this.#origin !== null;
  }

  post(message: ToHost): void {
    if (this.#origin !== null) window.parent.postMessage({ waybell: 1, ...message }, this.#origin);
  }

  listen(): void {
    window.addEventListener("message", (event: MessageEvent<unknown>) => {
      if (event.source !== window.parent || !allowed.includes(event.origin)) return;
      const message = fromHost(event.data);
      if (message === null) return;
      this.#origin = event.origin;
      if (message.type === "session") this.onSession(message.key);
      else showTheme(message.theme);
    });
  }

  /** Tells the height of the page whenever it changes. */
  reportHeight(element: HTMLElement): () => void {
    let last = 0;
    const observer = new ResizeObserver(() => {
      const height = Math.ceil(element.getBoundingClientRect().height);
      if (height === last) return;
      last = height;
      this.post({ type: "height", height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }
}

function fromHost(data: unknown): FromHost | null {
  if (typeof data !== "object" || data === null || !("waybell" in data) || data.waybell !== 1 || !("type" in data)) return null;
  if (data.type === "session" && "key" in data && typeof data.key === "string") return { type: "session", key: data.key };
  if (data.type === "theme" && "theme" in data && (data.theme === "auto" || data.theme === "light" || data.theme === "dark")) {
    return { type: "theme", theme: data.theme };
  }
  return null;
}

export const host = new Host();
