import { useState } from "preact/hooks";
import { messageOf } from "../../core/api.ts";
import { inboxes } from "../../core/client.ts";
import type { Inbox } from "../../core/types.ts";
import { Button, Dialog, Field, TextInput } from "../../ui/index.ts";

export function RenameInbox({ agent, inbox, onDone, onClose }: { readonly agent: string; readonly inbox: Inbox; readonly onDone: (inbox: Inbox) => void; readonly onClose: () => void }) {
  const [name, setName] = useState(inbox.name);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      onDone(await inboxes.update(agent, inbox.id, { name: name.trim() }));
      onClose();
    } catch (failure) {
      setError(messageOf(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title="Rename inbox" onClose={onClose} busy={busy} foot={<><Button disabled={busy} onClick={onClose}>Cancel</Button><Button kind="primary" busy={busy} onClick={() => void save()}>Rename</Button></>}>
      <form onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <Field label="Name" error={error} hint="Only for you: receivers never see it.">
          {(control) => <TextInput {...control} value={name} onValue={setName} maxLength={200} />}
        </Field>
      </form>
    </Dialog>
  );
}
