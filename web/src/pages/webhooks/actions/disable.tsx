import { endpoints } from "../../../core/client.ts";
import { urlParts } from "../../../core/format.ts";
import { ConfirmDialog, toast } from "../../../ui/index.ts";
import type { ActionDialogProps } from "./props.ts";
import { Waiting } from "./waiting.tsx";

export function DisableDialog({ endpoint: e, onDone, onClose }: ActionDialogProps) {
  const { host } = urlParts(e.url);
  const disable = async (): Promise<void> => {
    onDone((await endpoints.update(e.agent_id, e.id, { enabled: false })).data);
    toast(`${host} is disabled. It gets no events.`);
  };
  return (
    <ConfirmDialog title={`Disable ${host}?`} action="Disable webhook" danger onConfirm={disable} onClose={onClose}>
      <p>Events that happen while it is disabled are not sent later. To keep them for later, pause the webhook instead.</p>
      <Waiting endpoint={e} />
    </ConfirmDialog>
  );
}
