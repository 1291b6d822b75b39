/** What all parts of a webhook's page know. */
import type { Endpoint, Ledger } from "../../../core/types.ts";
import type { EndpointHealth } from "../../../core/types-server.ts";

export interface Detail {
  readonly endpoint: Endpoint;
  /** Undefined while it loads, or where the reader may not see deliveries. */
  readonly health: EndpointHealth | undefined;
  readonly ledger: Ledger | undefined;
  /** Grows when something happened: what a part loaded itself is loaded again. */
  readonly beat: number;
  /** Loads all of it again. */
  readonly refresh: () => void;
  /** Shows a new version that a call has answered. */
  readonly set: (endpoint: Endpoint) => void;
}
