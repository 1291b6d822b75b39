import { agentLink } from "../../core/agent.ts";
import { now } from "../../core/clock.ts";
import type { PagedResource } from "../../core/load.ts";
import { deliveryPhrase, deliveryStates } from "../../core/state.ts";
import type { Delivery } from "../../core/types.ts";
import { CopyText, Empty, ErrorState, Loading, More, State, Table, Time } from "../../ui/index.ts";

/** The log of deliveries, wherever it is shown. */
export function DeliveryTable({ list, filtered = false }: { readonly list: PagedResource<Delivery>; readonly filtered?: boolean }) {
  if (list.starting) return <Loading />;
  if (list.error !== undefined) return <ErrorState error={list.error} onRetry={list.reload} />;
  if (list.rows.length === 0 && !list.hasMore) {
    return filtered ? <Empty icon="filter" title="No delivery fits these filters">Clear a filter to see more.</Empty>
      : <Empty icon="deliveries" title="Nothing was sent yet">Deliveries appear here as soon as an event happens that a webhook subscribes to.</Empty>;
  }
  return (
    <Table
      label="Deliveries" rows={list.rows} id={(d) => d.id} href={(d) => agentLink(`deliveries/${d.id}`)} keyboard
      columns={[
        { name: "State", main: true, cell: (d) => <a class="cell-link" href={agentLink(`deliveries/${d.id}`)}><State info={deliveryStates[d.state]}>{deliveryPhrase(d, now.value)}</State></a> },
        { name: "Event", cell: (d) => <code>{d.event}</code> },
        { name: "Delivery", cell: (d) => <CopyText text={d.id} label="Delivery id" /> },
        { name: "Accepted", cell: (d) => <Time at={d.created_at} /> },
      ]}
      foot={<More shown={list.rows.length} noun="delivery" hasMore={list.hasMore} loading={list.loading} onMore={list.more} />}
    />
  );
}
