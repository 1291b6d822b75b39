/**
 * Every page, once. Those below an agent have the same address in both shells,
 * with `/agents/:agent` before it in the console. Pages are chunks of their
 * own and are loaded when they are first opened.
 */
import type { ComponentType } from "preact";
import { shell } from "./core/agent.ts";
import { matchPattern, type Params } from "./core/route.ts";

export interface PageProps {
  readonly params: Params;
}
export type PageComponent = ComponentType<PageProps>;

export interface PageRoute {
  readonly pattern: string;
  readonly of: "agent" | "operator";
  /** The entry of the navigation that it belongs to. */
  readonly section: Section;
  /** Pages of the same name are one: going from one to the other keeps what they show. */
  readonly keep?: string;
  readonly load: () => Promise<{ readonly default: PageComponent }>;
}

export type Section = "webhooks" | "deliveries" | "catalogue" | "inbox" | "live" | "overview" | "agents" | "settings" | "system";

const detail = () => import("./pages/webhooks/detail.tsx");
const form = () => import("./pages/webhooks/form.tsx");
const log = () => import("./pages/deliveries/list.tsx");

const routes: readonly PageRoute[] = [
  { pattern: "/webhooks", of: "agent", section: "webhooks", load: () => import("./pages/webhooks/list.tsx") },
  { pattern: "/webhooks/new", of: "agent", section: "webhooks", load: form },
  { pattern: "/webhooks/:id", of: "agent", section: "webhooks", load: detail },
  { pattern: "/webhooks/:id/edit", of: "agent", section: "webhooks", load: form },
  { pattern: "/webhooks/:id/:tab", of: "agent", section: "webhooks", load: detail },
  { pattern: "/deliveries", of: "agent", section: "deliveries", keep: "deliveries", load: log },
  { pattern: "/deliveries/:id", of: "agent", section: "deliveries", keep: "deliveries", load: log },
  { pattern: "/catalogue", of: "agent", section: "catalogue", load: () => import("./pages/catalogue/list.tsx") },
  { pattern: "/catalogue/:name", of: "agent", section: "catalogue", load: () => import("./pages/catalogue/detail.tsx") },
  { pattern: "/inbox", of: "agent", section: "inbox", load: () => import("./pages/inbox/list.tsx") },
  { pattern: "/inbox/:id", of: "agent", section: "inbox", load: () => import("./pages/inbox/detail.tsx") },
  { pattern: "/live", of: "agent", section: "live", load: () => import("./pages/live/live.tsx") },
  { pattern: "/", of: "operator", section: "overview", load: () => import("./pages/overview/overview.tsx") },
  { pattern: "/agents", of: "operator", section: "agents", load: () => import("./pages/agents/list.tsx") },
  { pattern: "/settings", of: "operator", section: "settings", load: () => import("./pages/settings/settings.tsx") },
  { pattern: "/settings/:tab", of: "operator", section: "settings", load: () => import("./pages/settings/settings.tsx") },
  { pattern: "/system", of: "operator", section: "system", load: () => import("./pages/system/system.tsx") },
];

export interface Match {
  readonly route: PageRoute;
  readonly params: Params;
}

/** The page of a path; null when there is none. Static parts win over parameters. */
export function findRoute(path: string): Match | null {
  const portal = shell.value === "portal";
  const inAgent = portal ? path : /^\/agents\/[^/]+(\/.*)$/.exec(path)?.[1];
  for (const route of routes) {
    if (route.of === "operator" && portal) continue;
    const at = route.of === "agent" ? inAgent : path;
    const params = at === undefined ? null : matchPattern(route.pattern, at);
    if (params !== null) return { route, params };
  }
  return null;
}
