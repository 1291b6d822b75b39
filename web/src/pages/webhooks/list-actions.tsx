import { useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { copyText } from "../../core/clipboard.ts";
import { urlName } from "../../core/format.ts";
import { can } from "../../core/session.ts";
import type { SecretInfo } from "../../core/types.ts";
import { Menu, type MenuItem, toast } from "../../ui/index.ts";
import { DeleteDialog } from "./actions/delete.tsx";
import { ResumeDialog } from "./actions/resume.tsx";
import { NewSecretDialog, RotateDialog } from "./actions/rotate.tsx";
import { enable, pause } from "./actions/run.ts";
import type { Row } from "./list-model.ts";

export type ActionName = "resume" | "rotate" | "delete";

interface WebhookMenuProps {
  readonly row: Row;
  readonly onAction: (name: ActionName) => void;
  readonly onChanged: () => void;
}

/** What can be done with a webhook; what may not be done is not there. */
export function WebhookMenu({ row: { endpoint: e }, onAction, onChanged }: WebhookMenuProps) {
  const copy = (): void => {
    void copyText(e.id).then((done) => (done ? toast("The id is copied.") : toast(`The browser did not let us copy. The id is ${e.id}.`, "bad")));
  };
  const items: (MenuItem | "rule")[] = [];
  if (can("endpoints:write")) {
    items.push({ label: "Edit", icon: "edit", href: agentLink(`webhooks/${e.id}/edit`) });
    if (e.state === "active") items.push({ label: "Pause", icon: "pause", onSelect: () => void pause(e, onChanged) });
    if (e.state === "paused" || e.state === "suspended") items.push({ label: "Resume…", icon: "play", onSelect: () => onAction("resume") });
    if (e.state === "disabled") items.push({ label: "Enable", icon: "play", onSelect: () => void enable(e, onChanged) });
  }
  if (can("deliveries:write")) items.push({ label: "Send test", icon: "test", href: agentLink(`webhooks/${e.id}/testing`) });
  if (can("secrets:write")) items.push({ label: e.signed ? "Rotate secret…" : "Set a secret…", icon: "key", onSelect: () => onAction("rotate") });
  items.push({ label: "Copy id", icon: "copy", onSelect: copy });
  if (can("endpoints:write")) items.push("rule", { label: "Delete…", icon: "delete", danger: true, onSelect: () => onAction("delete") });
  return <Menu label={`Actions for ${urlName(e.url)}`} items={items} />;
}

interface ActionDialogProps {
  readonly name: ActionName;
  readonly row: Row;
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

export function ActionDialog({ name, row: { endpoint }, onChanged, onClose }: ActionDialogProps) {
  switch (name) {
    case "resume":
      return <ResumeDialog endpoint={endpoint} onDone={onChanged} onClose={onClose} />;
    case "delete":
      return <DeleteDialog endpoint={endpoint} onDone={onChanged} onClose={onClose} />;
    case "rotate":
      return <Rotation endpoint={endpoint} onChanged={onChanged} onClose={onClose} />;
  }
}

/** The question, and then the new secret. */
function Rotation({ endpoint, onChanged, onClose }: Omit<ActionDialogProps, "name" | "row"> & Pick<Row, "endpoint">) {
  const [made, setMade] = useState<SecretInfo | null>(null);
  if (made !== null) return <NewSecretDialog info={made} onClose={onClose} />;
  const done = (info: SecretInfo): void => {
    setMade(info);
    onChanged();
  };
  return <RotateDialog endpoint={endpoint} onDone={done} onClose={onClose} />;
}
