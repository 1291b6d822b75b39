import { agentLink } from "../../../core/agent.ts";
import { number } from "../../../core/format.ts";
import { deliveryStates } from "../../../core/state.ts";
import { Card, Loading, State } from "../../../ui/index.ts";
import { ledgerParts, ledgerSum } from "./advice.ts";
import type { Detail } from "./subject.ts";

/** Every delivery that was accepted for this webhook is in one of the states: the sum shows it. */
export function LedgerCard({ detail: { endpoint: e, ledger } }: { readonly detail: Detail }) {
  if (ledger === undefined) return <Card title="Where every delivery is"><Loading lines={4} /></Card>;
  const sum = ledgerSum(ledger);
  return (
    <Card title="Where every delivery is" lead="Since the webhook was made. Nothing gets lost: the states add up to what was accepted.">
      <table class="wh-ledger">
        <tbody>
          {ledgerParts.map((part) => (
            <tr key={part}>
              <th scope="row"><a href={agentLink(`webhooks/${e.id}/deliveries`, { state: part })}><State info={deliveryStates[part]} /></a></th>
              <td class="number">{number(ledger[part])}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">{sum === ledger.accepted ? "= Accepted" : "Accepted"}</th>
            <td class="number strong">{number(ledger.accepted)}</td>
          </tr>
        </tfoot>
      </table>
    </Card>
  );
}
