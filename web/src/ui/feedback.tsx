import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { shell } from "../core/agent.ts";
import { ApiError, isUnreachable, messageOf } from "../core/api.ts";
import { link } from "../core/router.ts";
import type { StateInfo, Tone } from "../core/state.ts";
import { Button, ButtonLink, IconButton } from "./button.tsx";
import { classes } from "./classes.ts";
import { Icon } from "./icon.tsx";
import type { IconName } from "./icons.ts";

const toneIcons: Readonly<Record<Tone, IconName>> = { good: "ok", bad: "failed", warn: "warning", info: "info", muted: "info" };

/** A small coloured word; always with an icon, unless it is only a label. */
export function Badge({ tone = "muted", icon, children }: { readonly tone?: Tone; readonly icon?: IconName; readonly children: ComponentChildren }) {
  return (
    <span class={classes("badge", `tone-${tone}`, icon === undefined && "badge-plain")}>
      {icon !== undefined && <Icon name={icon} size="s" />}
      <span class="truncate">{children}</span>
    </span>
  );
}

/** A state of the table in core/state.ts: icon, word and colour; its sentence on hover. */
export function State({ info, children, badge = false }: { readonly info: StateInfo; readonly children?: ComponentChildren; readonly badge?: boolean }) {
  if (badge) return <span title={info.text}><Badge tone={info.tone} icon={info.icon}>{children ?? info.word}</Badge></span>;
  return (
    <span class={classes("state", `tone-${info.tone}`)} title={info.text}>
      <Icon name={info.icon} />
      <span class="truncate">{children ?? info.word}</span>
    </span>
  );
}

export interface BannerProps {
  readonly tone?: Tone;
  readonly title?: ComponentChildren;
  readonly children?: ComponentChildren;
  readonly action?: ComponentChildren;
  /** Over the width of the page. */
  readonly bar?: boolean;
}

export function Banner({ tone = "info", title, children, action, bar = false }: BannerProps) {
  return (
    <div class={classes("banner", `tone-${tone}`, bar && "banner-bar")} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={toneIcons[tone]} />
      <div class="banner-text">
        {title !== undefined && <strong>{title}</strong>}
        {children !== undefined && <div>{children}</div>}
      </div>
      {action}
    </div>
  );
}

export interface EmptyProps {
  readonly icon: IconName;
  readonly title: string;
  /** What it is for, and the next step. */
  readonly children?: ComponentChildren;
  readonly action?: ComponentChildren;
}

export function Empty({ icon, title, children, action }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-mark"><Icon name={icon} size="l" /></span>
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {action !== undefined && <div class="row">{action}</div>}
    </div>
  );
}

/** Grey lines in the place of what is loading. */
export function Loading({ lines = 5, label = "Loading" }: { readonly lines?: number; readonly label?: string }) {
  return (
    <div class="skeletons" role="status">
      <span class="visually-hidden">{label}…</span>
      {Array.from({ length: lines }, (_, i) => <span class="skeleton" key={i} aria-hidden />)}
    </div>
  );
}

export function ErrorState({ error, onRetry, title = "This could not be loaded" }: { readonly error: unknown; readonly onRetry?: () => void; readonly title?: string }) {
  const request = error instanceof ApiError ? error.requestId : null;
  const noAgent = error instanceof ApiError && error.code === "agent_not_found" && shell.value === "console";
  const retry = onRetry !== undefined && <Button icon="retry" onClick={onRetry}>Try again</Button>;
  return (
    <div role="alert">
      <Empty
        icon={isUnreachable(error) ? "unplugged" : "warning"}
        title={noAgent ? "There is no such agent" : error instanceof ApiError && error.status === 404 ? "There is no such thing" : title}
        action={noAgent ? <ButtonLink icon="agents" href={link("/agents")}>All agents</ButtonLink> : retry}
      >
        {messageOf(error)}
        {request !== null && <><br /><small>Request <code>{request}</code></small></>}
      </Empty>
    </div>
  );
}

/** In the place of a part of the screens that the server does not have: it has those of another version. */
export function OtherVersion() {
  return (
    <div role="alert">
      <Empty icon="warning" title="This page is of another version" action={<Button icon="retry" onClick={() => window.location.reload()}>Load the page anew</Button>}>
        A part of it is not on the server: it was probably updated since you opened the page.
      </Empty>
    </div>
  );
}

export interface Loadable<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly reload: () => void;
}

/** Shows what useLoad loads: skeleton, error with retry, or the data. */
export function Load<T>({ of, lines, children }: { readonly of: Loadable<T>; readonly lines?: number; readonly children: (data: T) => ComponentChildren }) {
  if (of.data !== undefined) {
    return (
      <>
        {of.error !== undefined && !isUnreachable(of.error) && <Banner tone="warn" action={<Button size="small" onClick={of.reload}>Try again</Button>}>{messageOf(of.error)}</Banner>}
        {children(of.data)}
      </>
    );
  }
  return of.error === undefined ? <Loading lines={lines ?? 5} /> : <ErrorState error={of.error} onRetry={of.reload} />;
}

interface Toast {
  readonly id: number;
  readonly tone: Tone;
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const shown = signal<readonly Toast[]>([]);
let lastId = 0;

/** Says shortly what was done. Errors stay until they are closed. */
export function toast(text: string, tone: Tone = "good", action?: Toast["action"]): void {
  const id = ++lastId;
  shown.value = [...shown.peek().slice(-3), { id, tone, text, action }];
  if (tone !== "bad") setTimeout(() => dismiss(id), action === undefined ? 5_000 : 10_000);
}

/** Says what went wrong with something that the reader did. */
export function toastError(error: unknown): void {
  toast(messageOf(error), "bad");
}

function dismiss(id: number): void {
  shown.value = shown.peek().filter((t) => t.id !== id);
}

/** The place of the toasts; the shell has one. A popover, so that it is above dialogs. */
export function Toasts() {
  const ref = useRef<HTMLDivElement>(null);
  const list = shown.value;
  useEffect(() => {
    const place = ref.current;
    if (place === null || !("showPopover" in place)) return;
    if (place.matches(":popover-open")) place.hidePopover();
    if (list.length > 0) place.showPopover();
  }, [list]);
  return (
    <div class="toasts" ref={ref} popover="manual" role="region" aria-label="Messages" aria-live="polite">
      {list.map((t) => (
        <div class={classes("toast", `tone-${t.tone}`)} key={t.id}>
          <Icon name={toneIcons[t.tone]} />
          <div class="toast-text">{t.text}</div>
          {t.action !== undefined && <Button size="small" onClick={t.action.run}>{t.action.label}</Button>}
          <IconButton icon="close" label="Close" size="small" onClick={() => dismiss(t.id)} />
        </div>
      ))}
    </div>
  );
}
