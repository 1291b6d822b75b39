import { endpoints } from "../../../core/client.ts";
import { count } from "../../../core/format.ts";
import { useLoad } from "../../../core/load.ts";
import type { Endpoint } from "../../../core/types.ts";
import { Banner, Load } from "../../../ui/index.ts";
import { waitingOf } from "../list-model.ts";

/** Says how many deliveries an action cancels. */
export function Waiting({ endpoint: e }: { readonly endpoint: Endpoint }) {
  const ledger = useLoad((signal) => endpoints.ledger(e.agent_id, e.id, signal), [e.id]);
  return (
    <Load of={ledger} lines={1}>
      {(l) => {
        const n = waitingOf(l);
        return n === 0 ? <p>No delivery is waiting.</p> : <Banner tone="warn">{count(n, "waiting delivery", "waiting deliveries")} will be canceled.</Banner>;
      }}
    </Load>
  );
}
