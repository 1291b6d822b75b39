import { useState } from "preact/hooks";
import { agentLink, agentPath } from "../../../core/agent.ts";
import { endpoints } from "../../../core/client.ts";
import { count, number, urlParts } from "../../../core/format.ts";
import { go } from "../../../core/router.ts";
import { can } from "../../../core/session.ts";
import { Button, ButtonLink, ConfirmDialog, Menu, type MenuItem, RadioGroup, toast } from "../../../ui/index.ts";
import { waiting } from "./advice.ts";
import type { Detail } from "./subject.ts";

type Asked = "pause" | "resume" | "turn_off" | "delete";

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
      {manage && state === "active" && <Button icon="pause" onClick={() => setAsked("pause")}>Pause</Button>}
      {manage && state === "disabled" && <TurnOn detail={detail} />}
      {manage && <ButtonLink icon="edit" href={agentLink(`webhooks/${id}/edit`)}>Edit</ButtonLink>}
      <Menu label="More actions" buttonClass="btn btn-icon" items={moreItems(detail, manage, setAsked)} />
      {asked !== null && <AskedDialog asked={asked} detail={detail} onClose={() => setAsked(null)} />}
    </>
  );
}

function moreItems({ endpoint: e }: Detail, manage: boolean, ask: (asked: Asked) => void): (MenuItem | "rule")[] {
  const items: (MenuItem | "rule")[] = [
    { label: can("secrets:write") ? "Secret and signature" : "Signature", icon: "key", href: agentLink(`webhooks/${e.id}/security`) },
    { label: "All its deliveries", icon: "deliveries", href: agentLink("deliveries", { endpoint_id: e.id }) },
  ];
  if (!manage) return items;
  items.push("rule");
  if (e.state !== "disabled") items.push({ label: "Turn off…", icon: "canceled", onSelect: () => ask("turn_off") });
  items.push({ label: "Delete…", icon: "delete", danger: true, onSelect: () => ask("delete") });
  return items;
}

function AskedDialog({ asked, detail, onClose }: { readonly asked: Asked; readonly detail: Detail; readonly onClose: () => void }) {
  switch (asked) {
    case "pause":
      return <PauseDialog detail={detail} onClose={onClose} />;
    case "resume":
      return <ResumeDialog detail={detail} onClose={onClose} />;
    case "turn_off":
      return <TurnOffDialog detail={detail} onClose={onClose} />;
    case "delete":
      return <DeleteDialog detail={detail} onClose={onClose} />;
  }
}

interface DialogProps {
  readonly detail: Detail;
  readonly onClose: () => void;
}

function PauseDialog({ detail, onClose }: DialogProps) {
  const pause = async (): Promise<void> => {
    detail.set(await endpoints.pause(detail.endpoint.agent_id, detail.endpoint.id));
    toast("Paused. Deliveries are held until you resume.");
    detail.refresh();
  };
  return (
    <ConfirmDialog title="Pause this webhook?" action="Pause webhook" onConfirm={pause} onClose={onClose}>
      <p>Events are still accepted. Their deliveries are held, and sent when you resume. Nothing is lost.</p>
      {detail.ledger !== undefined && detail.ledger.retrying > 0 && <p>{count(detail.ledger.retrying, "delivery that is", "deliveries that are")} being retried will be held, too.</p>}
    </ConfirmDialog>
  );
}

/** Asks what becomes of the held deliveries, if there are any. */
export function ResumeDialog({ detail, onClose }: DialogProps) {
  const [held, setHeld] = useState<"send" | "cancel">("send");
  const n = detail.ledger?.held;
  const resume = async (): Promise<void> => {
    detail.set(await endpoints.resume(detail.endpoint.agent_id, detail.endpoint.id, held));
    toast(held === "send" ? "Resumed. Events are sent again." : "Resumed. The held deliveries are canceled.");
    detail.refresh();
  };
  const those = n === undefined ? "what is held" : n === 1 ? "the one held delivery" : `the ${number(n)} held deliveries`;
  return (
    <ConfirmDialog title="Resume this webhook?" action="Resume webhook" onConfirm={resume} onClose={onClose}>
      {n === 0 ? <p>Nothing is held. Events are sent again as they happen.</p> : (
        <RadioGroup
          label="What should happen to what is held?" value={held} onValue={setHeld}
          options={[
            { value: "send", label: `Send ${those}`, hint: "The oldest first." },
            { value: "cancel", label: `Cancel ${those}`, hint: "They stay in the log and can be re-sent one by one. Only new events are sent." },
          ]}
        />
      )}
    </ConfirmDialog>
  );
}

function TurnOffDialog({ detail, onClose }: DialogProps) {
  const turnOff = async (): Promise<void> => {
    detail.set((await endpoints.update(detail.endpoint.agent_id, detail.endpoint.id, { enabled: false })).data);
    toast("Turned off. It gets no events.");
    detail.refresh();
  };
  return (
    <ConfirmDialog title="Turn this webhook off?" action="Turn off" danger onConfirm={turnOff} onClose={onClose}>
      <p>{canceledText(detail)} Events that happen while it is off are not sent later.</p>
      <p>To keep them, pause the webhook instead.</p>
    </ConfirmDialog>
  );
}

export function TurnOn({ detail, small = false }: { readonly detail: Detail; readonly small?: boolean }) {
  const [busy, setBusy] = useState(false);
  const turnOn = async (): Promise<void> => {
    setBusy(true);
    try {
      detail.set((await endpoints.update(detail.endpoint.agent_id, detail.endpoint.id, { enabled: true })).data);
      toast("Turned on. Events are sent as they happen.");
      detail.refresh();
    } catch (error) {
      toast(error instanceof Error ? error.message : "It could not be turned on.", "bad");
    } finally {
      setBusy(false);
    }
  };
  return <Button icon="play" size={small ? "small" : "normal"} busy={busy} onClick={() => void turnOn()}>Turn on</Button>;
}

function DeleteDialog({ detail, onClose }: DialogProps) {
  const { endpoint: e } = detail;
  const { host } = urlParts(e.url);
  const remove = async (): Promise<void> => {
    await endpoints.remove(e.agent_id, e.id);
    toast(`The webhook to ${host} is deleted.`);
    go(agentPath("webhooks"));
  };
  return (
    <ConfirmDialog title="Delete this webhook?" action="Delete webhook" danger typed={host} onConfirm={remove} onClose={onClose}>
      <p><strong class="anywhere">{e.url}</strong> gets nothing any more, and its secret is destroyed. This cannot be undone.</p>
      <p>{canceledText(detail)} The log of what was sent stays readable.</p>
    </ConfirmDialog>
  );
}

function canceledText({ ledger }: Detail): string {
  if (ledger === undefined) return "Deliveries that wait are canceled.";
  const n = waiting(ledger);
  return n === 0 ? "No delivery is waiting." : `${count(n, "delivery that waits is", "deliveries that wait are")} canceled.`;
}
