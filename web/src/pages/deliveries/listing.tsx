import { useAgentId } from "../../core/agent.ts";
import { deliveries } from "../../core/client.ts";
import { usePages } from "../../core/load.ts";
import { DeliveryTable } from "./table.tsx";

export interface DeliveryListProps {
  /** Only this webhook's, on its own page; without, those of the whole agent. */
  readonly endpointId?: string;
}

/**
 * The delivery log with its filters, live rows, re-sends and export. Its state
 * is in the address of the page that shows it.
 */
export function DeliveryList({ endpointId }: DeliveryListProps) {
  const agent = useAgentId();
  const list = usePages((cursor, signal) => deliveries.list(agent, { endpoint_id: endpointId, cursor }, signal), [agent, endpointId]);
  return <DeliveryTable list={list} />;
}
