/**
 * `<waybell-portal>`: the portal in a page of another origin.
 *
 *   <script src="https://hooks.example.com/embed.js"></script>
 *   <waybell-portal session-url="/my/waybell-session"></waybell-portal>
 *
 * `session-url` is a path of the page's own server that answers {"url": …} with
 * the link of a new portal session. It is asked at first and before a token
 * ends. `src` can hold such a link instead; it cannot be renewed then. Further
 * attributes: `theme` (auto, light, dark) and `height` ("auto", or pixels).
 * Events: `waybell-ready` and `waybell-error`, whose detail is {message}.
 */
type FromPortal = { readonly type: "ready" | "refresh-needed" } | { readonly type: "height"; readonly height: number };

const sandbox = "allow-scripts allow-same-origin allow-forms allow-downloads allow-popups allow-popups-to-escape-sandbox allow-modals";

function fromPortal(data: unknown): FromPortal | null {
  if (typeof data !== "object" || data === null || !("waybell" in data) || data.waybell !== 1 || !("type" in data)) return null;
  if (data.type === "ready" || data.type === "refresh-needed") return { type: data.type };
  if (data.type === "height" && "height" in data && typeof data.height === "number" && Number.isFinite(data.height)) {
    return { type: "height", height: data.height };
  }
  return null;
}

class WaybellPortal extends HTMLElement {
  static readonly observedAttributes = ["src", "session-url", "theme", "height"];

  #frame: HTMLIFrameElement | null = null;
  #origin = "";
  /** Grows with every start, so that a late answer does nothing. */
  #turn = 0;

  /** Attributes are told before the element is connected, too: it starts once. */
  #connected = false;

  connectedCallback(): void {
    this.#connected = true;
    window.addEventListener("message", this.#message);
    void this.#start();
  }

  disconnectedCallback(): void {
    this.#connected = false;
    window.removeEventListener("message", this.#message);
    this.#turn++;
    this.#frame?.remove();
    this.#frame = null;
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.#connected) return;
    if (name === "theme") this.#sendTheme();
    else if (name === "height") this.#size();
    else void this.#start();
  }

  async #start(): Promise<void> {
    const turn = ++this.#turn;
    const given = this.getAttribute("src");
    try {
      const link = given !== null && given !== "" ? portalLink(given) : await this.#newLink();
      if (turn !== this.#turn || !this.isConnected) return;
      this.#origin = link.origin;
      this.#show(link);
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
    }
  }

  #show(link: URL): void {
    this.#frame?.remove();
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", sandbox);
    frame.allow = "clipboard-write";
    frame.title = this.getAttribute("title") ?? "Webhooks";
    frame.referrerPolicy = "strict-origin";
    frame.style.setProperty("display", "block");
    frame.style.setProperty("width", "100%");
    frame.style.setProperty("border", "0");
    frame.style.setProperty("color-scheme", "normal");
    frame.src = link.href;
    this.style.setProperty("display", "block");
    this.#frame = frame;
    this.#size();
    this.append(frame);
  }

  /** Asks the page's own server: never another origin, which could not be trusted with the reader's session. */
  async #newLink(): Promise<URL> {
    const path = this.getAttribute("session-url");
    if (path === null || path === "") throw new Error("waybell-portal needs the attribute session-url or src");
    const url = new URL(path, document.baseURI);
    if (url.origin !== window.location.origin) throw new Error("session-url must be of the page's own origin");
    const response = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" });
    if (!response.ok) throw new Error(`session-url answered ${response.status}`);
    const answer: unknown = await response.json();
    if (typeof answer !== "object" || answer === null || !("url" in answer) || typeof answer.url !== "string") {
      throw new Error('session-url must answer {"url": "…"}');
    }
    return portalLink(answer.url);
  }

  #message = (event: MessageEvent<unknown>): void => {
    if (this.#frame === null || event.source !== this.#frame.contentWindow || event.origin !== this.#origin) return;
    const message = fromPortal(event.data);
    if (message === null) return;
    if (message.type === "refresh-needed") void this.#renew();
    else if (message.type === "height") this.#size(message.height);
    else {
      this.#sendTheme();
      this.dispatchEvent(new CustomEvent("waybell-ready"));
    }
  };

  async #renew(): Promise<void> {
    const turn = this.#turn;
    try {
      const link = await this.#newLink();
      if (turn !== this.#turn) return;
      if (link.origin !== this.#origin) throw new Error("session-url answered a link of another origin");
      this.#post({ type: "session", key: new URLSearchParams(link.hash.slice(1)).get("key") });
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
    }
  }

  #sendTheme(): void {
    const theme = this.getAttribute("theme");
    if (theme === "auto" || theme === "light" || theme === "dark") this.#post({ type: "theme", theme });
  }

  #post(message: object): void {
    this.#frame?.contentWindow?.postMessage({ waybell: 1, ...message }, this.#origin);
  }

  #size(content = 640): void {
    const wanted = this.getAttribute("height") ?? "auto";
    const pixels = wanted === "auto" ? Math.min(Math.max(content, 320), 20_000) : Number.parseInt(wanted, 10) || 640;
    this.#frame?.style.setProperty("height", `${pixels}px`);
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : "the portal could not be shown";
    this.dispatchEvent(new CustomEvent("waybell-error", { detail: { message } }));
  }
}

/** A link of a portal session; anything else is refused before it is loaded. */
function portalLink(text: string): URL {
  const url = new URL(text, document.baseURI);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error("the link of the portal must be http or https");
  return url;
}

if (customElements.get("waybell-portal") === undefined) customElements.define("waybell-portal", WaybellPortal);
