/** What every part of the form is given. */
import type { Agent, Endpoint, EventType, Inbox, Profiles } from "../../core/types.ts";
import type { Draft, FieldErrors } from "./form-model.ts";

/** What the form is made from. */
export interface Setting {
  readonly agent: Agent;
  readonly profiles: Profiles;
  readonly types: readonly EventType[];
  /** The webhook as it is stored, with its version; null for a new one. */
  readonly saved: { readonly endpoint: Endpoint; readonly etag: string | undefined } | null;
  /** The inbox that a new webhook begins with. */
  readonly inbox: Inbox | null;
}

export interface PartProps {
  readonly draft: Draft;
  readonly set: (change: Partial<Draft>) => void;
  readonly errors: FieldErrors;
  readonly setting: Setting;
}
