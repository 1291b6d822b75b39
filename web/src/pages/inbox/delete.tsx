import { inboxes } from "../../core/client.ts";
import { count } from "../../core/format.ts";
import type { Inbox } from "../../core/types.ts";
import { ConfirmDialog, toast } from "../../ui/index.ts";
import { inboxName } from "./words.ts";

/** Asks, and says what goes with the inbox and what stays. */
export function DeleteInbox({ agent, inbox, onDone, onClose }: { readonly agent: string; readonly inbox: Inbox; readonly onDone: () => void; readonly onClose: () => void }) {
  const users = inbox.endpoint_ids.length;
  const remove = async (): Promise<void> => {
    await inboxes.remove(agent, inbox.id);
    toast(`${inboxName(inbox)} was deleted`);
    onDone();
  };
  return (
    <ConfirmDialog title={`Delete ${inboxName(inbox)}?`} action="Delete inbox" danger onConfirm={remove} onClose={onClose}>
      <p>
        {inbox.requests === 0 ? "It has received nothing that would be lost." : `${count(inbox.requests, "received request")} ${inbox.requests === 1 ? "is" : "are"} deleted with it.`}
        {" "}Its URL never works again: it answers 410.
      </p>
      {users > 0 && (
        <p><strong>{count(users, "webhook")} still {users === 1 ? "sends" : "send"} to it.</strong> {users === 1 ? "It" : "They"} will fail from then on; change {users === 1 ? "its URL" : "their URLs"} first.</p>
      )}
    </ConfirmDialog>
  );
}
