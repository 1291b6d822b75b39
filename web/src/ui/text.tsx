import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { now } from "../core/clock.ts";
import { copyText } from "../core/clipboard.ts";
import { absoluteUtc, relative, urlEnd } from "../core/format.ts";
import { Button } from "./button.tsx";
import { classes } from "./classes.ts";
import { toast } from "./feedback.tsx";
import { Icon } from "./icon.tsx";

/** True for a moment after a copy; false when the browser refused. */
function useCopy(): { readonly copied: boolean; readonly copy: (text: string) => void } {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (text: string): void => {
    void copyText(text).then((done) => {
      if (done) setCopied(true);
      else toast("The browser did not let us copy. Select the text and copy it yourself.", "bad");
    });
  };
  return { copied, copy };
}

/** An id, URL or other short text that copies itself with a click. */
export function CopyText({ text, label, children }: { readonly text: string; /** What it is: "Webhook id". */ readonly label: string; readonly children?: ComponentChildren }) {
  const { copied, copy } = useCopy();
  const name = typeof children === "string" ? children : text; // a name has the words that are seen
  return (
    <button type="button" class="copy" onClick={(event) => { event.stopPropagation(); copy(text); }} title={`Copy: ${text}`} aria-label={`${label} ${name}: copy`}>
      <span class="truncate">{children ?? text}</span>
      <Icon name={copied ? "check" : "copy"} size="s" />
      <span class="visually-hidden" role="status">{copied ? "Copied" : ""}</span>
    </button>
  );
}

export function CopyButton({ text, label = "Copy", small = true }: { readonly text: string; readonly label?: string; readonly small?: boolean }) {
  const { copied, copy } = useCopy();
  return (
    <Button size={small ? "small" : "normal"} kind={small ? "quiet" : "normal"} icon={copied ? "check" : "copy"} onClick={() => copy(text)}>
      <span aria-live="polite">{copied ? "Copied" : label}</span>
    </Button>
  );
}

/** A time: relative in words, absolute in UTC on hover and for those who listen. */
export function Time({ at, none = "never" }: { readonly at: string | null; readonly none?: string }) {
  if (at === null) return <span class="muted">{none}</span>;
  return <time class="time" dateTime={at} title={absoluteUtc(at)}>{relative(at, now.value)}</time>;
}

export interface Fact {
  readonly name: string;
  readonly value: ComponentChildren;
}

/** Names and values. Facts that are null are left out. */
export function KeyValue({ facts }: { readonly facts: readonly (Fact | null)[] }) {
  return (
    <dl class="facts">
      {facts.map((fact) => fact !== null && (
        <>
          <dt key={`${fact.name}-name`}>{fact.name}</dt>
          <dd key={fact.name}>{fact.value}</dd>
        </>
      ))}
    </dl>
  );
}

/**
 * The URL of a webhook: the host strong, the rest weak. Where there is no room it
 * is cut in the middle, since its end tells webhooks of one host apart.
 */
export function UrlText({ host, rest, wrap = false }: { readonly host: string; readonly rest: string; readonly wrap?: boolean }) {
  const end = wrap ? "" : urlEnd(rest);
  return (
    <span class={wrap ? "anywhere" : "url-text"}>
      <span class={classes(!wrap && "truncate")}>
        <span class="strong">{host}</span>
        <span class="muted">{rest.slice(0, rest.length - end.length)}</span>
      </span>
      {end !== "" && <span class="muted">{end}</span>}
    </span>
  );
}
