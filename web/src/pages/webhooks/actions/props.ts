import type { Endpoint } from "../../../core/types.ts";

/** What every dialog about one webhook is given, wherever it is opened. */
export interface ActionDialogProps {
  readonly endpoint: Endpoint;
  /** Gets the webhook as it is now. */
  readonly onDone: (endpoint: Endpoint) => void;
  readonly onClose: () => void;
}
