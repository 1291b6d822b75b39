import { Page } from "../../ui/index.ts";
import { DeliveryList } from "./listing.tsx";

/** The log of all webhooks, and a delivery of it beside it. */
export default function DeliveriesPage() {
  return (
    <Page title="Deliveries" lead="Every event that was sent to a webhook, or will be, with all its attempts.">
      <DeliveryList />
    </Page>
  );
}
