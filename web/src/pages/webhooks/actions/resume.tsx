import { useState } from "preact/hooks";
import { endpoints } from "../../../core/client.ts";
import { count, number, urlParts } from "../../../core/format.ts";
import { useLoad } from "../../../core/load.ts";
import { Banner, ConfirmDialog, Load, RadioGroup, toast } from "../../../ui/index.ts";
import type { ActionDialogProps } from "./props.ts";

/** Asks what becomes of the held deliveries, if there are any. */
export function ResumeDialog({ endpoint: e, onDone, onClose }: ActionDialogProps) {
  const [held, setHeld] = useState<"send" | "cancel">("send");
  const ledger = useLoad((signal) => endpoints.ledger(e.agent_id, e.id, signal), [e.id]);
  const { host } = urlParts(e.url);
  const n = ledger.data?.held ?? 0;
  const resume = async (): Promise<void> => {
    onDone(await endpoints.resume(e.agent_id, e.id, held));
    const these = count(n, "held delivery is", "held deliveries are");
    toast(`${host} is resumed.${n === 0 ? "" : ` ${these} ${held === "send" ? "being sent" : "canceled"}.`}`);
  };
  const action = n === 0 ? "Resume" : held === "send" ? `Resume and send ${number(n)}` : `Resume and cancel ${number(n)}`;
  const it = n === 1 ? "it" : "them";
  const those = n === 1 ? "the held delivery" : `the ${number(n)} held deliveries`;
  return (
    <ConfirmDialog title={`Resume ${host}?`} action={action} danger={n > 0 && held === "cancel"} loading={ledger.data === undefined && ledger.error === undefined} onConfirm={resume} onClose={onClose}>
      {e.state === "suspended" && <Banner tone="warn" title="Why it was suspended">{e.state_reason ?? "It failed for a long time."} It is suspended again if this is not mended.</Banner>}
      <Load of={ledger} lines={2}>
        {() => (n === 0 ? <p>Nothing is held. New events are sent again as they happen.</p> : (
          <RadioGroup
            label={`${count(n, "delivery is", "deliveries are")} held. What should become of ${it}?`} value={held} onValue={setHeld}
            options={[
              { value: "send", label: `Send ${those}`, hint: n === 1 ? "Your receiver gets it now." : "The oldest first. Your receiver gets all that happened in the meantime." },
              { value: "cancel", label: `Cancel ${those}`, hint: `Your receiver never gets ${it}, unless you re-send ${it} from the delivery log.` },
            ]}
          />
        ))}
      </Load>
    </ConfirmDialog>
  );
}
