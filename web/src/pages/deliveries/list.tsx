import { useAgentId } from "../../core/agent.ts";
import { deliveries } from "../../core/client.ts";
import { usePages } from "../../core/load.ts";
import { param } from "../../core/router.ts";
import { deliveryStateNames, deliveryStates } from "../../core/state.ts";
import { FilterBar, Page, SelectFilter } from "../../ui/index.ts";
import { DeliveryTable } from "./table.tsx";

export default function DeliveryList() {
  const agent = useAgentId();
  const state = deliveryStateNames.find((s) => s === param("state"));
  const list = usePages((cursor, signal) => deliveries.list(agent, { state, cursor }, signal), [agent, state]);
  return (
    <Page title="Deliveries" lead="Every event that was sent, or will be, with all its attempts.">
      <FilterBar names={["state"]}>
        <SelectFilter name="state" label="State" options={[{ value: "", label: "All states" }, ...deliveryStateNames.map((value) => ({ value, label: deliveryStates[value].word }))]} />
      </FilterBar>
      <DeliveryTable list={list} filtered={state !== undefined} />
    </Page>
  );
}
