import { milliseconds } from "../core/format.ts";
import type { Timing } from "../core/types.ts";

const parts: readonly { readonly key: keyof Timing; readonly label: string }[] = [
  { key: "dns", label: "DNS" },
  { key: "connect", label: "Connect" },
  { key: "tls", label: "TLS" },
  { key: "wait", label: "Wait" },
  { key: "read", label: "Read" },
];

/** Where the time of an attempt went, as a bar and in words. */
export function TimelineBar({ timing }: { readonly timing: Timing }) {
  const shown = parts.filter((p) => timing[p.key] > 0);
  return (
    <div class="stack stack-s">
      <div class="timebar" aria-hidden>
        {shown.map((p) => <span key={p.key} class={`timebar-part part-${p.key}`} style={{ flexGrow: String(timing[p.key] * 1_000) }} />)}
      </div>
      <ul class="legend">
        {parts.map((p) => (
          <li class="legend-item" key={p.key}>
            <span class={`part-swatch part-${p.key}`} aria-hidden />
            {p.label} <b>{timing[p.key] === 0 ? "–" : milliseconds(timing[p.key])}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}
