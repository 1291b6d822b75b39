import { useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { copyText } from "../../core/clipboard.ts";
import { endpoints } from "../../core/client.ts";
import { count, number, urlParts } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { can } from "../../core/session.ts";
import { Banner, ConfirmDialog, Load, Menu, type MenuItem, RadioGroup, toast, toastError } from "../../ui/index.ts";
import { type Row, waitingOf } from "./list-model.ts";
import { RotateDialog } from "./form-rotate.tsx";
import { TestDialog } from "./form-test.tsx";

export type ActionName = "resume" | "test" | "rotate" | "delete";

interface WebhookMenuProps {
  readonly row: Row;
  readonly onAction: (name: ActionName) => void;
  readonly onChanged: () => void;
}

/** What can be done with a webhook; what may not be done is not there. */
export function WebhookMenu({ row: { endpoint: e }, onAction, onChanged }: WebhookMenuProps) {
  const { host } = urlParts(e.url);
  const pause = (): void => {
    endpoints.pause(e.agent_id, e.id).then(() => {
      onChanged();
      toast(`${host} is paused. What happens from now on is held.`);
    }, toastError);
  };
  const enable = (): void => {
    endpoints.update(e.agent_id, e.id, { enabled: true }).then(() => {
      onChanged();
      toast(`${host} is turned on.`);
    }, toastError);
  };
  const copy = (): void => {
    void copyText(e.id).then((done) => (done ? toast("The id is copied.") : toast(`The browser did not let us copy. The id is ${e.id}.`, "bad")));
  };
  const items: (MenuItem | "rule")[] = [];
  if (can("endpoints:write")) {
    items.push({ label: "Edit", icon: "edit", href: agentLink(`webhooks/${e.id}/edit`) });
    if (e.state === "active") items.push({ label: "Pause", icon: "pause", onSelect: pause });
    if (e.state === "paused" || e.state === "suspended") items.push({ label: "Resume…", icon: "play", onSelect: () => onAction("resume") });
    if (e.state === "disabled") items.push({ label: "Turn on", icon: "play", onSelect: enable });
  }
  if (can("deliveries:write")) items.push({ label: "Send test…", icon: "test", onSelect: () => onAction("test") });
  if (can("secrets:write")) items.push({ label: e.signed ? "Rotate secret…" : "Add a secret…", icon: "key", onSelect: () => onAction("rotate") });
  items.push({ label: "Copy id", icon: "copy", onSelect: copy });
  if (can("endpoints:write")) items.push("rule", { label: "Delete…", icon: "delete", danger: true, onSelect: () => onAction("delete") });
  return <Menu label={`Actions for ${host}`} items={items} />;
}

interface ActionDialogProps {
  readonly name: ActionName;
  readonly row: Row;
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

export function ActionDialog({ name, row, onChanged, onClose }: ActionDialogProps) {
  switch (name) {
    case "resume":
      return <ResumeDialog row={row} onChanged={onChanged} onClose={onClose} />;
    case "delete":
      return <DeleteDialog row={row} onChanged={onChanged} onClose={onClose} />;
    case "rotate":
      return <RotateDialog endpoint={row.endpoint} onChanged={onChanged} onClose={onClose} />;
    case "test":
      return <TestDialog endpoint={row.endpoint} onClose={onClose} />;
  }
}

type RowDialogProps = Omit<ActionDialogProps, "name">;

function ResumeDialog({ row: { endpoint: e }, onChanged, onClose }: RowDialogProps) {
  const [held, setHeld] = useState<"send" | "cancel">("send");
  const ledger = useLoad((signal) => endpoints.ledger(e.agent_id, e.id, signal), [e.id]);
  const n = ledger.data?.held ?? 0;
  const resume = async (): Promise<void> => {
    await endpoints.resume(e.agent_id, e.id, held);
    onChanged();
    const what = n === 0 ? "" : held === "send" ? ` ${count(n, "held delivery is", "held deliveries are")} being sent.` : ` ${count(n, "held delivery is", "held deliveries are")} canceled.`;
    toast(`${urlParts(e.url).host} is resumed.${what}`);
  };
  const action = n === 0 ? "Resume" : held === "send" ? `Resume and send ${number(n)}` : `Resume and cancel ${number(n)}`;
  return (
    <ConfirmDialog title={`Resume ${urlParts(e.url).host}?`} action={action} danger={n > 0 && held === "cancel"} onConfirm={resume} onClose={onClose}>
      {e.state === "suspended" && <Banner tone="warn" title="Why it was suspended">{e.state_reason ?? "It failed for a long time."} It is suspended again if this is not mended.</Banner>}
      <Load of={ledger} lines={2}>
        {() => (n === 0 ? <p>Nothing is held. New events are sent again as they happen.</p> : (
          <RadioGroup
            label={`${count(n, "delivery is", "deliveries are")} held. What should become of ${n === 1 ? "it" : "them"}?`} value={held} onValue={setHeld}
            options={[
              { value: "send", label: "Send them now", hint: "The oldest first. Your receiver gets all that happened in the meantime." },
              { value: "cancel", label: "Cancel them", hint: "Your receiver never gets them, unless you re-send them from the delivery log." },
            ]}
          />
        ))}
      </Load>
    </ConfirmDialog>
  );
}

function DeleteDialog({ row: { endpoint: e }, onChanged, onClose }: RowDialogProps) {
  const { host } = urlParts(e.url);
  const ledger = useLoad((signal) => endpoints.ledger(e.agent_id, e.id, signal), [e.id]);
  const erase = async (): Promise<void> => {
    await endpoints.remove(e.agent_id, e.id);
    onChanged();
    toast(`The webhook to ${host} is deleted.`);
  };
  return (
    <ConfirmDialog title="Delete this webhook?" action="Delete webhook" danger typed={host} onConfirm={erase} onClose={onClose}>
      <p class="anywhere">Nothing is sent to <strong>{e.url}</strong> any more. This cannot be undone.</p>
      <Load of={ledger} lines={1}>
        {(l) => {
          const n = waitingOf(l);
          return n === 0 ? <p>No delivery is waiting. The delivery log stays.</p> : <Banner tone="warn">{count(n, "waiting delivery", "waiting deliveries")} will be canceled. The delivery log stays.</Banner>;
        }}
      </Load>
    </ConfirmDialog>
  );
}
