import { deliveries } from "../../../core/client.ts";
import { usePages } from "../../../core/load.ts";
import { param } from "../../../core/router.ts";
import { deliveryStateNames } from "../../../core/state.ts";
import { DeliveryTable } from "../../deliveries/table.tsx";
import type { Detail } from "./subject.ts";

const classes = ["2xx", "3xx", "4xx", "5xx", "none"] as const;

/** The log of this webhook alone. */
export function DeliveriesTab({ detail: { endpoint: e } }: { readonly detail: Detail }) {
  const filter = {
    state: deliveryStateNames.find((s) => s === param("state")),
    status_class: classes.find((c) => c === param("status_class")),
    status_code: /^\d{3}$/.test(param("status_code")) ? Number(param("status_code")) : undefined,
    since: param("since") === "" ? undefined : param("since"),
  };
  const list = usePages((cursor, signal) => deliveries.list(e.agent_id, { endpoint_id: e.id, ...filter, cursor }, signal), [e.agent_id, e.id, JSON.stringify(filter)]);
  return <DeliveryTable list={list} filtered={Object.values(filter).some((v) => v !== undefined)} />;
}
