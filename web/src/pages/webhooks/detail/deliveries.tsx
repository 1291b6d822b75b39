import { DeliveryList } from "../../deliveries/listing.tsx";
import type { Detail } from "./subject.ts";

/** The log of this webhook alone. */
export function DeliveriesTab({ detail }: { readonly detail: Detail }) {
  return <DeliveryList endpointId={detail.endpoint.id} key={detail.endpoint.id} />;
}
