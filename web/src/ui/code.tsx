import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { prettyJson } from "../core/highlight.ts";
import { preference } from "../core/preference.ts";
import { Button, IconButton } from "./button.tsx";
import { classes } from "./classes.ts";
import { CopyButton } from "./text.tsx";

const wrapping = preference("wrap", "on", ["on", "off"]);

export interface CodeBlockProps {
  readonly text: string;
  /** What it is: "Request body". */
  readonly title: string;
  /** JSON can be shown pretty or as it was sent. */
  readonly json?: boolean;
  readonly actions?: ComponentChildren;
  readonly tall?: boolean;
}

/** Text in a fixed pitch, always as text: what others sent is never markup. */
export function CodeBlock({ text, title, json = false, actions, tall = false }: CodeBlockProps) {
  const [raw, setRaw] = useState(false);
  const tokens = useMemo(() => (json ? prettyJson(text) : null), [json, text]);
  const wrap = wrapping.value === "on";
  return (
    <div class="code">
      <div class="code-head">
        <span class="code-title truncate">{title}</span>
        {actions}
        {tokens !== null && <Button size="small" kind="quiet" aria-pressed={raw} onClick={() => setRaw(!raw)}>Raw</Button>}
        <IconButton size="small" icon="wrap" label="Wrap long lines" aria-pressed={wrap} onClick={() => { wrapping.value = wrap ? "off" : "on"; }} />
        <CopyButton text={text} />
      </div>
      <pre class={classes("code-body", wrap && "code-wrap", tall && "code-tall")} tabIndex={0} role="group" aria-label={title}>
        {tokens === null || raw ? text : tokens.map((t, i) => (t.kind === "space" ? t.text : <span key={i} class={`tok-${t.kind}`}>{t.text}</span>))}
      </pre>
    </div>
  );
}
