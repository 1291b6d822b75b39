import { useEffect, useRef, useState } from "preact/hooks";
import { isAbort, messageOf } from "../../core/api.ts";
import { deliveries } from "../../core/client.ts";
import { type Progress, downloadStream } from "../../core/download.ts";
import { bytes, count } from "../../core/format.ts";
import type { DeliveryFilter } from "../../core/types.ts";
import { Banner, Button, Checkbox, Dialog } from "../../ui/index.ts";

type Step =
  | { readonly at: "asking" }
  | { readonly at: "loading"; readonly progress: Progress }
  | { readonly at: "done"; readonly progress: Progress }
  | { readonly at: "failed"; readonly error: unknown };

/** Downloads what the filters show, one JSON object a line. */
export function ExportDialog({ agent, filter, filtered, onClose }: { readonly agent: string; readonly filter: DeliveryFilter; readonly filtered: boolean; readonly onClose: () => void }) {
  const [attempts, setAttempts] = useState(false);
  const [step, setStep] = useState<Step>({ at: "asking" });
  const abort = useRef(new AbortController());
  useEffect(() => () => abort.current.abort(), []);

  const start = (): void => {
    setStep({ at: "loading", progress: { bytes: 0, lines: 0 } });
    let last: Progress = { bytes: 0, lines: 0 };
    downloadStream({
      path: deliveries.exportPath(agent), query: { ...filter, attempts: attempts ? "true" : undefined },
      name: `deliveries-${agent.replaceAll(":", "_")}-${new Date().toISOString().slice(0, 10)}.ndjson`, type: "application/x-ndjson", signal: abort.current.signal,
      onProgress: (progress) => {
        last = progress;
        setStep({ at: "loading", progress });
      },
    }).then(
      () => setStep({ at: "done", progress: last }),
      (error: unknown) => setStep(isAbort(error) ? { at: "asking" } : { at: "failed", error }),
    );
  };

  const foot = step.at === "done" ? <Button kind="primary" onClick={onClose}>Close</Button> : (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button kind="primary" icon="download" busy={step.at === "loading"} onClick={start}>{step.at === "failed" ? "Try again" : "Export"}</Button>
    </>
  );
  return (
    <Dialog title="Export deliveries" onClose={onClose} foot={foot}>
      {step.at === "asking" || step.at === "failed" ? (
        <>
          <p>A file with {filtered ? "the deliveries that fit the filters" : "all deliveries that are kept"}, the newest first: one JSON object a line (NDJSON), for spreadsheets and scripts.</p>
          <Checkbox label="With all attempts" hint="Adds what was sent and answered each time. The file is much larger." checked={attempts} onChecked={setAttempts} />
          {step.at === "failed" && <Banner tone="bad" title="The export broke off">{messageOf(step.error)} The file is not complete; do not use it.</Banner>}
        </>
      ) : (
        <div class="stack stack-s" role="status">
          {step.at === "loading" && <progress class="progress" aria-label="Progress" />}
          <p>{step.at === "done" ? "Done: " : ""}{count(step.progress.lines, "delivery", "deliveries")}, {bytes(step.progress.bytes)}</p>
        </div>
      )}
    </Dialog>
  );
}
