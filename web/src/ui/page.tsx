import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { session } from "../core/session.ts";
import { classes } from "./classes.ts";
import { Icon } from "./icon.tsx";

export interface Crumb {
  readonly label: string;
  readonly href: string;
}

export interface PageProps {
  /** Plain text, for the title of the window. */
  readonly title: string;
  /** What stands in the heading instead, such as a URL with a strong host. */
  readonly heading?: ComponentChildren;
  readonly lead?: ComponentChildren;
  readonly crumbs?: readonly Crumb[];
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** The frame of every page: breadcrumbs, heading, actions, content. */
export function Page({ title, heading, lead, crumbs = [], actions, children }: PageProps) {
  const product = session.value?.branding.name ?? "Waybell";
  useEffect(() => {
    document.title = `${title} · ${product}`;
  }, [title, product]);
  return (
    <>
      <header class="page-head">
        <div class="page-head-text">
          {crumbs.length > 0 && (
            <nav class="crumbs" aria-label="Breadcrumb">
              {crumbs.map((c) => (
                <>
                  <a href={c.href} key={c.href}>{c.label}</a>
                  <Icon name="right" size="s" />
                </>
              ))}
              <span class="truncate" aria-current="page">{title}</span>
            </nav>
          )}
          <h1 tabIndex={-1}>{heading ?? title}</h1>
          {lead !== undefined && <div class="muted">{lead}</div>}
        </div>
        {actions !== undefined && <div class="page-head-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export interface CardProps {
  readonly title?: ComponentChildren;
  readonly lead?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly foot?: ComponentChildren;
  /** The content reaches the edges: a table, a list. */
  readonly flush?: boolean;
  readonly children: ComponentChildren;
}

export function Card({ title, lead, actions, foot, flush = false, children }: CardProps) {
  return (
    <section class="card">
      {(title !== undefined || actions !== undefined) && (
        <div class="card-head">
          {title !== undefined && <h2>{title}</h2>}
          {actions !== undefined && <div class="row push">{actions}</div>}
          {lead !== undefined && <p class="lead">{lead}</p>}
        </div>
      )}
      <div class={classes(!flush && "card-body")}>{children}</div>
      {foot !== undefined && <div class="card-foot">{foot}</div>}
    </section>
  );
}

/** A number with its name. */
export function Stat({ name, value, children }: { readonly name: string; readonly value: ComponentChildren; readonly children?: ComponentChildren }) {
  return (
    <div class="stat card">
      <span class="stat-name">{name}</span>
      <span class="stat-value">{value}</span>
      {children !== undefined && <span class="small muted">{children}</span>}
    </div>
  );
}

export interface Tab {
  readonly label: ComponentChildren;
  readonly href: string;
  readonly current: boolean;
}

/** The parts of a page, each with an address of its own. */
export function Tabs({ label, tabs }: { readonly label: string; readonly tabs: readonly Tab[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((t) => (
        <a key={t.href} href={t.href} aria-current={t.current ? "page" : undefined}>{t.label}</a>
      ))}
    </nav>
  );
}
