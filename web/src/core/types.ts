/** The shapes of the API, field by field as the OpenAPI document has them. */

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly request_id: string;
  readonly errors?: readonly FieldProblem[];
}

export interface FieldProblem {
  readonly location: string;
  readonly message: string;
  readonly value?: unknown;
  readonly code?: string;
}

export interface Page<T> {
  readonly data: readonly T[];
  readonly next_cursor: string | null;
}

export interface PageQuery {
  readonly limit?: number;
  readonly cursor?: string | undefined;
}

export type JsonObject = { readonly [name: string]: unknown };
/** RFC 3339, UTC, milliseconds. */
export type Timestamp = string;

// Agents

export interface Agent {
  readonly id: string;
  readonly name: string;
  readonly profile: string;
  readonly metadata: JsonObject;
  /** Null: all. */
  readonly available_events: readonly string[] | null;
  readonly endpoint_count?: number;
  readonly created_at: Timestamp;
  readonly updated_at: Timestamp;
}

export interface AgentInput {
  readonly id?: string;
  readonly name?: string;
  readonly profile?: string | null;
  readonly metadata?: JsonObject | null;
  readonly available_events?: readonly string[] | null;
}

// Endpoints; the screens call them webhooks.

export type EndpointState = "active" | "disabled" | "paused" | "suspended";
export type EndpointWarning = "no_events_selected" | "weak_secret" | "not_https";
export type DeliveryMethod = "POST" | "PUT";

export interface EndpointHeader {
  readonly name: string;
  /** The mask in answers; sent back, it keeps the stored value. */
  readonly value: string;
}

export interface Retry {
  readonly policy: string;
  readonly schedule_seconds: readonly number[];
  readonly window_seconds: number;
}

export interface Endpoint {
  readonly id: string;
  readonly agent_id: string;
  readonly url: string;
  readonly description: string;
  readonly enabled: boolean;
  /** ["*"]: all, now and later. */
  readonly events: readonly string[];
  readonly profile: string;
  readonly method: DeliveryMethod;
  readonly timeout_seconds: number;
  readonly headers: readonly EndpointHeader[];
  readonly format: string;
  readonly signed: boolean;
  /** Until when the secret before signs, too; null when none does. */
  readonly previous_secret_until: Timestamp | null;
  readonly include_messages: boolean;
  readonly standard_headers: boolean;
  readonly retry: Retry;
  readonly rate_limit_per_second: number | null;
  readonly concurrency: number | null;
  readonly state: EndpointState;
  readonly state_reason: string | null;
  readonly state_since: Timestamp | null;
  readonly created_at: Timestamp;
  readonly updated_at: Timestamp;
  readonly warnings: readonly EndpointWarning[];
  /** Only in the answer that made it. */
  readonly secret?: string;
}

export interface EndpointInput {
  readonly url?: string;
  readonly description?: string | null;
  readonly enabled?: boolean;
  readonly events?: readonly string[];
  readonly profile?: string;
  readonly method?: DeliveryMethod;
  readonly timeout_seconds?: number | null;
  readonly headers?: readonly EndpointHeader[];
  readonly format?: string | null;
  readonly include_messages?: boolean | null;
  readonly standard_headers?: boolean | null;
  readonly retry?: Partial<{ [K in keyof Retry]: Retry[K] | null }> | null;
  readonly rate_limit_per_second?: number | null;
  readonly concurrency?: number | null;
  readonly secret?: string | null;
  readonly generate_secret?: boolean | "ed25519";
}

export interface SecretInfo {
  readonly secret: string;
  readonly public_key?: string;
  readonly created_at: Timestamp;
  readonly previous_until: Timestamp | null;
  readonly warnings: readonly EndpointWarning[];
}

export interface RotateInput {
  readonly overlap_seconds?: number;
  readonly secret?: string;
  readonly generate_secret?: boolean | "ed25519";
}

export interface PreviewInput {
  readonly endpoint: EndpointInput;
  readonly endpoint_id?: string;
  readonly event?: string;
  readonly data?: JsonObject;
}

export interface Preview {
  readonly valid: boolean;
  readonly errors: readonly FieldProblem[];
  readonly warnings: readonly EndpointWarning[];
  readonly endpoint: {
    readonly profile: string;
    readonly format: string;
    readonly method: DeliveryMethod;
    readonly timeout_seconds: number;
    readonly include_messages: boolean;
    readonly standard_headers: boolean;
    readonly retry: Retry;
    readonly url: string | null;
  };
  /** Null where the format is not known; its URL is null unless it is valid. */
  readonly request: { readonly method: string; readonly url: string | null; readonly headers: HeaderMap; readonly body: string } | null;
  readonly example_secret: string | null;
}

/** A header map as the log has it: one string per name. */
export type HeaderMap = { readonly [name: string]: string };

export interface Profiles {
  readonly profiles: readonly Profile[];
  readonly formats: readonly Format[];
  readonly retry_policies: readonly RetryPolicy[];
}

export interface Profile {
  readonly name: string;
  readonly format: string;
  readonly retry_policy: string;
  readonly include_messages: boolean;
  readonly standard_headers: boolean;
}

export interface Format {
  readonly name: string;
  /** With a symmetric secret; null: the format has none of its own. */
  readonly signature: FormatSignature | null;
  /** A whsk_ key can sign it. */
  readonly ed25519: boolean;
  readonly standard_headers_optional: boolean;
  readonly event_names: { readonly [canonical: string]: string };
  readonly content_type: string;
}

export interface FormatSignature {
  readonly header: string;
  /** The word that `waybell verify` knows, or the format's name. */
  readonly scheme: string;
  readonly algorithm: "hmac-sha256" | "hmac-sha384" | "hmac-sha512" | "ed25519";
  readonly key: "utf8" | "whsec" | "ed25519";
  readonly signed: "body" | "id.timestamp.body";
  readonly encoding: "hex" | "base64";
  readonly prefix: string;
}

export interface RetryPolicy {
  readonly name: string;
  readonly schedule_seconds: readonly number[];
  readonly window_seconds: number;
  readonly success: string;
  readonly retries: string;
  readonly suspends_on_gone: boolean;
}

// Events and their types

export interface EventType {
  readonly name: string;
  readonly alias: string | null;
  readonly description: string;
  /** JSON Schema of the data object; true and null: any object, false: none. */
  readonly schema: JsonObject | boolean | null;
  readonly example: JsonObject;
  readonly built_in: boolean;
  readonly available: boolean;
  readonly created_at: Timestamp | null;
  readonly updated_at: Timestamp | null;
}

// Deliveries

export type DeliveryState = "pending" | "retrying" | "held" | "delivered" | "failed" | "canceled";
export type Reason =
  | "delivered" | "http_status" | "timeout" | "dns" | "connect" | "tls"
  | "connection_lost" | "bad_response" | "blocked" | "gone" | "expired" | "canceled";

export interface Delivery {
  readonly id: string;
  readonly event_id: string;
  readonly event: string;
  readonly endpoint_id: string;
  readonly state: DeliveryState;
  readonly reason: Reason | null;
  readonly attempts: number;
  readonly next_attempt_at: Timestamp | null;
  readonly last_status_code: number | null;
  readonly created_at: Timestamp;
  readonly finished_at: Timestamp | null;
}

export interface Attempt {
  readonly number: number;
  readonly started_at: Timestamp;
  readonly duration_ms: number;
  readonly status_code: number | null;
  readonly reason: Reason;
  readonly error: string | null;
  readonly request: { readonly method: string; readonly url: string; readonly headers: HeaderMap; readonly body: string | null };
  readonly response: { readonly headers: HeaderMap; readonly body: string; readonly truncated: boolean } | null;
  readonly timing_ms: Timing;
}

export interface Timing {
  readonly dns: number;
  readonly connect: number;
  readonly tls: number;
  readonly wait: number;
  readonly read: number;
}

export interface DeliveryDetail extends Delivery {
  readonly attempt_log: readonly Attempt[];
}

export interface Ledger {
  readonly accepted: number;
  readonly pending: number;
  readonly retrying: number;
  readonly delivered: number;
  readonly failed: number;
  readonly held: number;
  readonly canceled: number;
}

export interface DeliveryFilter {
  readonly endpoint_id?: string | undefined;
  readonly event?: string | undefined;
  readonly event_id?: string | undefined;
  readonly state?: DeliveryState | undefined;
  readonly status_code?: number | undefined;
  readonly status_class?: "2xx" | "3xx" | "4xx" | "5xx" | "none" | undefined;
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
}

export type RetryMany = ({ readonly delivery_ids: readonly string[] } | { readonly filter: DeliveryFilter }) & {
  readonly dry_run?: boolean;
  readonly cursor?: string;
};

export interface RetriedMany {
  readonly matched: number;
  readonly retried: number;
  readonly skipped: readonly { readonly delivery_id: string; readonly code: string; readonly detail: string }[];
  readonly skipped_count: number;
  readonly next_cursor: string | null;
}

// The live stream

export interface LiveAttempt {
  readonly number: number;
  readonly started_at: Timestamp;
  readonly duration_ms: number;
  readonly status_code: number | null;
  readonly reason: Reason;
}

export type StreamEvent =
  | { readonly type: "hello"; readonly data: { readonly resumed: boolean } }
  | { readonly type: "delivery"; readonly data: Delivery & { readonly agent_id: string; readonly attempt: LiveAttempt | null } }
  | { readonly type: "endpoint"; readonly data: { readonly agent_id: string; readonly endpoint_id: string } }
  | { readonly type: "lagging"; readonly data: { readonly dropped: number } };

// Inboxes

export interface Inbox {
  readonly id: string;
  readonly agent_id: string;
  readonly name: string;
  readonly url: string;
  readonly respond_status: number;
  readonly created_at: Timestamp;
  readonly expires_at: Timestamp | null;
  readonly requests: number;
  readonly last_request_at: Timestamp | null;
  readonly endpoint_ids: readonly string[];
}

export interface InboxRequest {
  readonly id: string;
  readonly received_at: Timestamp;
  readonly method: string;
  readonly headers: HeaderMap;
  readonly body: string;
  readonly body_truncated: boolean;
  readonly answered_status: number;
  readonly delivery_id: string | null;
  readonly event: string | null;
  readonly attempt: number | null;
  readonly verdict: {
    readonly status: "verified" | "failed" | "unsigned" | "unknown";
    readonly header: string | null;
    readonly scheme: string | null;
    readonly text: string;
  };
}
