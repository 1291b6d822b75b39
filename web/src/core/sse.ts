/** The grammar of server-sent events (HTML Living Standard, section 9.2.6). */

export interface ServerEvent {
  readonly type: string;
  readonly data: string;
  /** The last id seen, this event's own or an earlier one's. */
  readonly id: string;
}

/** Takes text as it arrives, cut anywhere, and gives whole events. */
export class SseParser {
  #rest = "";
  #data: string[] = [];
  #type = "";
  #id = "";
  #first = true;
  /** Milliseconds that the server asks to wait before a reconnect. */
  retry: number | null = null;

  push(chunk: string): ServerEvent[] {
    let text = this.#rest + chunk;
    if (this.#first && text !== "") {
      this.#first = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    const events: ServerEvent[] = [];
    let start = 0;
    for (;;) {
      const end = nextBreak(text, start);
      if (end < 0) break;
      // A CR at the very end may be half of a CRLF: wait for the rest.
      if (text[end] === "\r" && end + 1 === text.length) break;
      this.#line(text.slice(start, end), events);
      start = end + (text[end] === "\r" && text[end + 1] === "\n" ? 2 : 1);
    }
    this.#rest = text.slice(start);
    return events;
  }

  #line(line: string, events: ServerEvent[]): void {
    if (line === "") {
      if (this.#data.length > 0) events.push({ type: this.#type || "message", data: this.#data.join("\n"), id: this.#id });
      this.#data = [];
      this.#type = "";
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment keeps the connection open
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    switch (field) {
      case "data":
        this.#data.push(value);
        break;
      case "event":
        this.#type = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^\d+$/.test(value)) this.retry = Number(value);
        break;
    }
  }
}

function nextBreak(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 10 || c === 13) return i;
  }
  return -1;
}
