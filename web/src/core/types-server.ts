/** More shapes of the API: sessions, statistics, and what operators see. */
import type { EndpointState, Reason, Timestamp } from "./types.ts";

export type Scope =
  | "events:write" | "endpoints:read" | "endpoints:write" | "deliveries:read"
  | "deliveries:write" | "secrets:read" | "secrets:write" | "admin";
export type Capability = "view" | "view_secrets" | "manage_secrets" | "manage_endpoints" | "resend";
export type Theme = "auto" | "light" | "dark";

export interface Branding {
  readonly name: string;
  readonly accent: string | null;
  readonly logo_url: string | null;
}

export interface BrandingInput {
  readonly name?: string | null;
  readonly accent?: string | null;
  readonly logo?: null | { readonly media_type: "image/png" | "image/webp" | "image/jpeg"; readonly data: string };
}

export interface Session {
  /** Only in the answer to the exchange of a key. */
  readonly token?: string;
  readonly expires_at: Timestamp | null;
  readonly kind: "portal" | "console" | "key";
  readonly agent_id: string | null;
  readonly agent_name: string | null;
  readonly capabilities: readonly Capability[];
  readonly scopes: readonly Scope[];
  readonly theme: Theme;
  readonly origins: readonly string[];
  readonly branding: Branding;
  readonly server: { readonly version: string };
}

export interface PortalSessionInput {
  readonly capabilities?: readonly Capability[];
  readonly ttl_seconds?: number;
  readonly theme?: Theme;
}

export interface PortalSession {
  readonly url: string;
  readonly expires_at: Timestamp;
  readonly ttl_seconds: number;
  readonly capabilities: readonly Capability[];
  readonly theme: Theme;
}

export interface ConsoleSession {
  readonly url: string;
  readonly expires_at: Timestamp;
  readonly ttl_seconds: number;
}

export interface ApiKey {
  readonly id: string;
  readonly key?: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly agent_ids: readonly string[] | null;
  readonly root: boolean;
  readonly created_at: Timestamp;
}

export interface ApiKeyInput {
  readonly name?: string;
  readonly scopes: readonly Scope[];
  readonly agent_ids?: readonly string[] | null;
}

export type Period = "1h" | "24h" | "7d" | "30d";

export interface StatisticsPoint {
  readonly at: Timestamp;
  readonly delivered: number;
  readonly failed: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
}

/** Attempts are counted, not deliveries. */
export interface Statistics {
  readonly period: Period;
  readonly since: Timestamp;
  readonly until: Timestamp;
  readonly step_seconds: number;
  readonly totals: {
    readonly delivered: number;
    readonly failed: number;
    /** 0 to 1; null: nothing was tried. */
    readonly error_rate: number | null;
    readonly latency_ms: { readonly p50: number; readonly p95: number } | null;
  };
  readonly reasons: readonly { readonly reason: Reason; readonly status_code: number | null; readonly count: number }[];
  readonly points: readonly StatisticsPoint[];
}

export interface EndpointHealth {
  readonly endpoint_id: string;
  readonly delivered: number;
  readonly failed: number;
  readonly error_rate: number | null;
  readonly points: readonly { readonly at: Timestamp; readonly delivered: number; readonly failed: number }[];
  readonly last_attempt_at: Timestamp | null;
  readonly last_delivered_at: Timestamp | null;
  readonly last_failed_at: Timestamp | null;
  readonly last_reason: Reason | null;
  readonly last_status_code: number | null;
  readonly failing_since: Timestamp | null;
  readonly consecutive_failures: number;
  readonly health: "idle" | "ok" | "failing";
}

export interface FailingEndpoint {
  readonly agent_id: string;
  readonly agent_name: string;
  readonly endpoint_id: string;
  readonly url: string;
  readonly state: EndpointState;
  readonly state_reason: string | null;
  readonly failing_since: Timestamp | null;
  readonly consecutive_failures: number;
  readonly last_reason: Reason | null;
  readonly last_status_code: number | null;
  readonly waiting: number;
}

export interface SystemInfo {
  readonly version: string;
  readonly commit: string | null;
  readonly go_version: string;
  readonly started_at: Timestamp | null;
  readonly node: string;
  readonly base_url: string;
  readonly store: {
    readonly driver: string;
    readonly size_bytes: number;
    readonly log_bytes: number;
    readonly events_kept: number;
    readonly commits: number;
    readonly commit_ms: number;
  };
  readonly load: {
    readonly in_flight: number;
    readonly queued: number;
    readonly outcomes_waiting: number;
    readonly breakers_open: number;
    readonly oldest_due_at: Timestamp | null;
  };
  readonly settings: {
    /** Null: for ever. */
    readonly retention_seconds: number | null;
    readonly allow_targets: readonly string[];
    readonly portal_origins: readonly string[];
    readonly create_agents: boolean;
    /** Null: nobody is suspended for failures. */
    readonly suspend_after_seconds: number | null;
    readonly suspend_failures: number;
    readonly max_in_flight: number;
    readonly endpoint_concurrency: number;
    readonly max_event_bytes: number;
    readonly max_endpoints_per_agent: number;
  };
  readonly checks: readonly Check[];
}

/** A process that works with the store. */
export interface ServerNode {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly role: "all" | "api" | "worker";
  readonly state: "living" | "dead";
  /** The one that answers. */
  readonly this: boolean;
  readonly in_flight: number;
  readonly queued: number;
  readonly joined_at: Timestamp;
  readonly seen_at: Timestamp;
}

export interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "error";
  readonly text: string;
}
