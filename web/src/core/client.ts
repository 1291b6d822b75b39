/** One function for each call of the API that the screens make. */
import { type Answer, type RequestOptions, path, request } from "./api.ts";
import type {
  Agent, AgentInput, Delivery, DeliveryDetail, DeliveryFilter, Endpoint, EndpointInput, EventType, Inbox, InboxRequest,
  JsonObject, Ledger, Page, PageQuery, Preview, PreviewInput, Profiles, RetriedMany, RetryMany, RotateInput, SecretInfo,
} from "./types.ts";
import type {
  ApiKey, ApiKeyInput, Branding, BrandingInput, ConsoleSession, EndpointHealth, FailingEndpoint, Period, PortalSession,
  PortalSessionInput, ServerNode, Session, Statistics, SystemInfo,
} from "./types-server.ts";

/** How a call ends early: every call takes one. */
type Abort = AbortSignal | undefined;

const of = <T>(answer: Promise<Answer<T>>): Promise<T> => answer.then((a) => a.data);
const get = <T>(pathname: string, query: object = {}, signal?: Abort): Promise<T> =>
  of(request<T>("GET", pathname, { query: query as NonNullable<RequestOptions["query"]>, signal }));
const post = <T>(pathname: string, body?: unknown, signal?: Abort): Promise<T> => of(request<T>("POST", pathname, { body, signal }));
const remove = (pathname: string, ifMatch?: string): Promise<void> => of(request<void>("DELETE", pathname, { ifMatch }));

export const sessions = {
  exchange: (key: string): Promise<Session> => of(request<Session>("POST", "v1/sessions", { body: { key }, anonymous: true })),
  current: (signal?: Abort): Promise<Session> => get("v1/session", {}, signal),
  /** Ends the session of this page, or that of another token. */
  end: (token?: string): Promise<void> => of(request<void>("DELETE", "v1/session", { token })),
  createPortal: (agentId: string, input: PortalSessionInput): Promise<PortalSession> =>
    post(path`v1/agents/${agentId}/portal-sessions`, input),
  createConsole: (input: { ttl_seconds?: number } = {}): Promise<ConsoleSession> => post("v1/console-sessions", input),
};

export const branding = {
  get: (signal?: Abort): Promise<Branding> => of(request<Branding>("GET", "v1/branding", { anonymous: true, signal })),
  put: (input: BrandingInput): Promise<Branding> => of(request<Branding>("PUT", "v1/branding", { body: input })),
};

export const agents = {
  list: (query: PageQuery & { search?: string } = {}, signal?: Abort): Promise<Page<Agent>> => get("v1/agents", query, signal),
  get: (id: string, signal?: Abort): Promise<Agent> => get(path`v1/agents/${id}`, {}, signal),
  /** With its ETag, to be given back by `update`. */
  version: (id: string, signal?: Abort): Promise<Answer<Agent>> => request<Agent>("GET", path`v1/agents/${id}`, { signal }),
  create: (input: AgentInput): Promise<Agent> => post("v1/agents", input),
  update: (id: string, input: AgentInput, ifMatch?: string): Promise<Agent> =>
    of(request<Agent>("PATCH", path`v1/agents/${id}`, { body: input, ifMatch })),
  remove: (id: string): Promise<void> => remove(path`v1/agents/${id}`),
  ledger: (id: string, signal?: Abort): Promise<Ledger> => get(path`v1/agents/${id}/ledger`, {}, signal),
  statistics: (id: string, query: { period: Period; endpoint_id?: string }, signal?: Abort): Promise<Statistics> =>
    get(path`v1/agents/${id}/statistics`, query, signal),
};

export const endpoints = {
  list: (agentId: string, query: PageQuery = {}, signal?: Abort): Promise<Page<Endpoint>> =>
    get(path`v1/agents/${agentId}/endpoints`, query, signal),
  get: (agentId: string, id: string, signal?: Abort): Promise<Endpoint> => get(path`v1/agents/${agentId}/endpoints/${id}`, {}, signal),
  /** With its ETag, to be given back by `update`. */
  version: (agentId: string, id: string, signal?: Abort): Promise<Answer<Endpoint>> =>
    request<Endpoint>("GET", path`v1/agents/${agentId}/endpoints/${id}`, { signal }),
  create: (agentId: string, input: EndpointInput): Promise<Answer<Endpoint>> =>
    request<Endpoint>("POST", path`v1/agents/${agentId}/endpoints`, { body: input }),
  update: (agentId: string, id: string, input: EndpointInput, ifMatch?: string): Promise<Answer<Endpoint>> =>
    request<Endpoint>("PATCH", path`v1/agents/${agentId}/endpoints/${id}`, { body: input, ifMatch }),
  remove: (agentId: string, id: string): Promise<void> => remove(path`v1/agents/${agentId}/endpoints/${id}`),
  pause: (agentId: string, id: string): Promise<Endpoint> => post(path`v1/agents/${agentId}/endpoints/${id}/pause`),
  resume: (agentId: string, id: string, held: "send" | "cancel" = "send"): Promise<Endpoint> =>
    post(path`v1/agents/${agentId}/endpoints/${id}/resume`, { held }),
  test: (agentId: string, id: string, input: { event?: string; data?: JsonObject } = {}, signal?: Abort): Promise<DeliveryDetail> =>
    post(path`v1/agents/${agentId}/endpoints/${id}/test`, input, signal),
  preview: (agentId: string, input: PreviewInput, signal?: Abort): Promise<Preview> =>
    post(path`v1/agents/${agentId}/endpoints/preview`, input, signal),
  ledger: (agentId: string, id: string, signal?: Abort): Promise<Ledger> =>
    get(path`v1/agents/${agentId}/endpoints/${id}/ledger`, {}, signal),
  health: (agentId: string, signal?: Abort): Promise<{ readonly data: readonly EndpointHealth[] }> =>
    get(path`v1/agents/${agentId}/statistics/endpoints`, {}, signal),
  secret: (agentId: string, id: string): Promise<SecretInfo> => get(path`v1/agents/${agentId}/endpoints/${id}/secret`),
  rotateSecret: (agentId: string, id: string, input: RotateInput): Promise<SecretInfo> =>
    post(path`v1/agents/${agentId}/endpoints/${id}/secret/rotate`, input),
  removeSecret: (agentId: string, id: string): Promise<void> => remove(path`v1/agents/${agentId}/endpoints/${id}/secret`),
};

export const deliveries = {
  list: (agentId: string, query: PageQuery & DeliveryFilter = {}, signal?: Abort): Promise<Page<Delivery>> =>
    get(path`v1/agents/${agentId}/deliveries`, query, signal),
  get: (agentId: string, id: string, signal?: Abort): Promise<DeliveryDetail> =>
    get(path`v1/agents/${agentId}/deliveries/${id}`, {}, signal),
  retry: (agentId: string, id: string): Promise<DeliveryDetail> => post(path`v1/agents/${agentId}/deliveries/${id}/retry`),
  cancel: (agentId: string, id: string): Promise<DeliveryDetail> => post(path`v1/agents/${agentId}/deliveries/${id}/cancel`),
  retryMany: (agentId: string, input: RetryMany, signal?: Abort): Promise<RetriedMany> =>
    post(path`v1/agents/${agentId}/deliveries/retry`, input, signal),
  /** The path of the NDJSON file; see download.ts. */
  exportPath: (agentId: string): string => path`v1/agents/${agentId}/deliveries/export`,
};

export const eventTypes = {
  list: (query: PageQuery & { agent_id?: string } = {}, signal?: Abort): Promise<Page<EventType>> => get("v1/event-types", query, signal),
  get: (name: string, signal?: Abort): Promise<EventType> => get(path`v1/event-types/${name}`, {}, signal),
};

export const inboxes = {
  list: (agentId: string, query: PageQuery = {}, signal?: Abort): Promise<Page<Inbox>> =>
    get(path`v1/agents/${agentId}/inboxes`, query, signal),
  get: (agentId: string, id: string, signal?: Abort): Promise<Inbox> => get(path`v1/agents/${agentId}/inboxes/${id}`, {}, signal),
  create: (agentId: string, input: { name?: string; respond_status?: number } = {}): Promise<Inbox> =>
    post(path`v1/agents/${agentId}/inboxes`, input),
  update: (agentId: string, id: string, input: { name?: string; respond_status?: number }): Promise<Inbox> =>
    of(request<Inbox>("PATCH", path`v1/agents/${agentId}/inboxes/${id}`, { body: input })),
  remove: (agentId: string, id: string): Promise<void> => remove(path`v1/agents/${agentId}/inboxes/${id}`),
  requests: (agentId: string, id: string, query: PageQuery = {}, signal?: Abort): Promise<Page<InboxRequest>> =>
    get(path`v1/agents/${agentId}/inboxes/${id}/requests`, query, signal),
  empty: (agentId: string, id: string): Promise<void> => remove(path`v1/agents/${agentId}/inboxes/${id}/requests`),
};

export const server = {
  profiles: (signal?: Abort): Promise<Profiles> => get("v1/profiles", {}, signal),
  statistics: (query: { period: Period }, signal?: Abort): Promise<Statistics> => get("v1/statistics", query, signal),
  failing: (signal?: Abort): Promise<{ readonly data: readonly FailingEndpoint[] }> => get("v1/failing-endpoints", {}, signal),
  system: (signal?: Abort): Promise<SystemInfo> => get("v1/system", {}, signal),
  nodes: (signal?: Abort): Promise<{ readonly data: readonly ServerNode[] }> => get("v1/nodes", {}, signal),
};

export const keys = {
  list: (query: PageQuery = {}, signal?: Abort): Promise<Page<ApiKey>> => get("v1/keys", query, signal),
  create: (input: ApiKeyInput): Promise<ApiKey> => post("v1/keys", input),
  revoke: (id: string): Promise<void> => remove(path`v1/keys/${id}`),
};
