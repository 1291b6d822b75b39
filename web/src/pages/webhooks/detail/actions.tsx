import { useState } from "preact/hooks";
import { agentLink, agentPath } from "../../../core/agent.ts";
import { go } from "../../../core/router.ts";
import { can } from "../../../core/session.ts";
import type { Endpoint } from "../../../core/types.ts";
import { Button, ButtonLink, Menu, type MenuItem } from "../../../ui/index.ts";
import { DeleteDialog } from "../actions/delete.tsx";
import { DisableDialog } from "../actions/disable.tsx";
import { ResumeDialog } from "../actions/resume.tsx";
import { enable, pause } from "../actions/run.ts";
import type { Detail } from "./subject.ts";

type Asked = "resume" | "disable" | "delete";

/** What can be done to the webhook, in the head of the page. */
export function DetailActions({ detail }: { readonly detail: Detail }) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const { id, state } = detail.endpoint;
  const manage = can("endpoints:write");
  const held = state === "paused" || state === "suspended";
  return (
    <>
      {can("deliveries:write") && <ButtonLink icon="test" href={agentLink(`webhooks/${id}/testing`)}>Test</ButtonLink>}
      {manage && held && <Button icon="play" onClick={() => setAsked("resume")}>Resume</Button>}
      {manage && state === "active" && <BusyButton icon="pause" label="Pause" run={() => pause(detail.endpoint, changed(detail))} />}
      {manage && state === "disabled" && <EnableButton detail={detail} />}
      {manage && <ButtonLink icon="edit" href={agentLink(`webhooks/${id}/edit`)}>Edit</ButtonLink>}
      <Menu label="More actions" buttonClass="btn btn-icon" items={moreItems(detail, manage, setAsked)} />
      {asked !== null && <AskedDialog asked={asked} detail={detail} onClose={() => setAsked(null)} />}
    </>
  );
}

/** Shows the webhook as an action left it, and reads the numbers again. */
export const changed = (detail: Detail) => (endpoint: Endpoint): void => {
  detail.set(endpoint);
  detail.refresh();
};

export function EnableButton({ detail, small = false }: { readonly detail: Detail; readonly small?: boolean }) {
  return <BusyButton icon="play" label="Enable" small={small} run={() => enable(detail.endpoint, changed(detail))} />;
}

interface BusyButtonProps {
  readonly icon: "play" | "pause";
  readonly label: string;
  readonly small?: boolean;
  readonly run: () => Promise<void>;
}

function BusyButton({ icon, label, small = false, run }: BusyButtonProps) {
  const [busy, setBusy] = useState(false);
  const start = (): void => {
    setBusy(true);
    void run().finally(() => setBusy(false));
  };
  return <Button icon={icon} size={small ? "small" : "normal"} busy={busy} onClick={start}>{label}</Button>;
}

function moreItems({ endpoint: e }: Detail, manage: boolean, ask: (asked: Asked) => void): (MenuItem | "rule")[] {
  const items: (MenuItem | "rule")[] = [
    { label: can("secrets:write") ? "Secret and signature" : "Signature", icon: "key", href: agentLink(`webhooks/${e.id}/security`) },
    { label: "All its deliveries", icon: "deliveries", href: agentLink("deliveries", { endpoint_id: e.id }) },
  ];
  if (!manage) return items;
  items.push("rule");
  if (e.state !== "disabled") items.push({ label: "Disable…", icon: "canceled", onSelect: () => ask("disable") });
  items.push({ label: "Delete…", icon: "delete", danger: true, onSelect: () => ask("delete") });
  return items;
}

interface AskedDialogProps {
  readonly asked: Asked;
  readonly detail: Detail;
  readonly onClose: () => void;
}

function AskedDialog({ asked, detail, onClose }: AskedDialogProps) {
  const { endpoint } = detail;
  switch (asked) {
    case "resume":
      return <ResumeDialog endpoint={endpoint} onDone={changed(detail)} onClose={onClose} />;
    case "disable":
      return <DisableDialog endpoint={endpoint} onDone={changed(detail)} onClose={onClose} />;
    case "delete":
      return <DeleteDialog endpoint={endpoint} onDone={() => go(agentPath("webhooks"))} onClose={onClose} />;
  }
}
