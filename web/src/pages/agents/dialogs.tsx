import { useState } from "preact/hooks";
import { agents } from "../../core/client.ts";
import { count } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import type { Agent } from "../../core/types.ts";
import { ConfirmDialog, Dialog, Load, toast } from "../../ui/index.ts";
import { AgentForm } from "./form.tsx";

export function NewAgent({ onDone, onClose }: { readonly onDone: (agent: Agent) => void; readonly onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  return <Dialog title="New agent" onClose={onClose} busy={busy}><AgentForm action="Create agent" onDone={onDone} onCancel={onClose} onBusy={setBusy} /></Dialog>;
}

/** The agent is read anew, so that nobody's change is overwritten; where it was changed meanwhile, the form begins anew. */
export function EditAgent({ agent, onDone, onClose }: { readonly agent: Agent; readonly onDone: (agent: Agent) => void; readonly onClose: () => void }) {
  const version = useLoad((signal) => agents.version(agent.id, signal), [agent.id]);
  const [busy, setBusy] = useState(false);
  return (
    <Dialog title={`Edit ${agent.name}`} onClose={onClose} busy={busy}>
      <Load of={version}>
        {({ data, etag }) => (
          <AgentForm
            key={etag} of={{ agent: data, etag }} action="Save" onCancel={onClose} onBusy={setBusy}
            onDone={(next) => {
              toast(`${next.name} was saved`);
              onDone(next);
              onClose();
            }}
          />
        )}
      </Load>
    </Dialog>
  );
}

/** Says how many webhooks and waiting deliveries go with the agent. */
export function DeleteAgent({ agent, onDone, onClose }: { readonly agent: Agent; readonly onDone: () => void; readonly onClose: () => void }) {
  const ledger = useLoad((signal) => agents.ledger(agent.id, signal), [agent.id]);
  const waiting = ledger.data === undefined ? null : ledger.data.pending + ledger.data.retrying + ledger.data.held;
  const webhooks = agent.endpoint_count ?? 0;
  const remove = async (): Promise<void> => {
    await agents.remove(agent.id);
    toast(`${agent.name} was deleted`);
    onDone();
  };
  return (
    <ConfirmDialog title={`Delete ${agent.name}?`} action="Delete agent" danger typed={agent.id} onConfirm={remove} onClose={onClose}>
      <p>
        <strong>{webhooks === 0 ? "It has no webhooks." : `${count(webhooks, "webhook")} ${webhooks === 1 ? "is" : "are"} deleted with it.`}</strong>
        {" "}
        {waiting === null ? "Deliveries that wait are canceled." : waiting === 0 ? "No delivery waits." : `${count(waiting, "waiting delivery", "waiting deliveries")} ${waiting === 1 ? "is" : "are"} canceled and never sent.`}
      </p>
      <p>Your platform can no longer publish its events. This cannot be undone.</p>
    </ConfirmDialog>
  );
}
