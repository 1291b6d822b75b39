import { endpoints } from "../../../core/client.ts";
import { urlParts } from "../../../core/format.ts";
import { ConfirmDialog, toast } from "../../../ui/index.ts";
import type { ActionDialogProps } from "./props.ts";
import { Waiting } from "./waiting.tsx";

interface DeleteDialogProps extends Omit<ActionDialogProps, "onDone"> {
  readonly onDone: () => void;
}

export function DeleteDialog({ endpoint: e, onDone, onClose }: DeleteDialogProps) {
  const { host } = urlParts(e.url);
  const remove = async (): Promise<void> => {
    await endpoints.remove(e.agent_id, e.id);
    onDone();
    toast(`The webhook to ${host} is deleted.`);
  };
  return (
    <ConfirmDialog title="Delete this webhook?" action="Delete webhook" danger typed={host} onConfirm={remove} onClose={onClose}>
      <p class="anywhere">Nothing is sent to <strong>{e.url}</strong> any more, and its secret is destroyed. This cannot be undone. The log of what was sent stays.</p>
      <Waiting endpoint={e} />
    </ConfirmDialog>
  );
}
