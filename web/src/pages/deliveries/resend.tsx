import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { messageOf } from "../../core/api.ts";
import { deliveries } from "../../core/client.ts";
import { count, number } from "../../core/format.ts";
import { Banner, Button, Dialog, Loading } from "../../ui/index.ts";
import { runBulk, skippedLines, type Tally, type Target } from "./bulk.ts";

export interface ResendDialogProps {
  readonly agent: string;
  readonly target: Target;
  /** How many of the chosen were delivered already; unknown for a filter, which is then counted. */
  readonly delivered?: number;
  readonly onClose: () => void;
  /** It ended: the rows change by the stream, or by loading them anew. */
  readonly onDone: () => void;
}

type Step =
  | { readonly at: "counting"; readonly found: number }
  | { readonly at: "asking"; readonly tally: Tally; readonly delivered: number }
  | { readonly at: "sending"; readonly of: number; readonly tally: Tally | null }
  | { readonly at: "done"; readonly tally: Tally; readonly stopped: boolean; readonly error: unknown }
  | { readonly at: "failed"; readonly error: unknown };

const deliveriesOf = (n: number): string => count(n, "delivery", "deliveries");

/** Counts first, asks, then sends again and says what became of it. */
export function ResendDialog({ agent, target, delivered, onClose, onDone }: ResendDialogProps) {
  const [step, setStep] = useState<Step>({ at: "counting", found: 0 });
  const abort = useRef(new AbortController());
  const [turn, setTurn] = useState(0);
  const call = useMemo(() => (input: Parameters<typeof deliveries.retryMany>[1]) => deliveries.retryMany(agent, input, undefined), [agent]);

  useEffect(() => {
    const counting = new AbortController();
    const countAll = async (): Promise<void> => {
      const tally = await runBulk(call, target, true, (sum) => !counting.signal.aborted && setStep({ at: "counting", found: sum.matched }), counting.signal);
      const again = delivered ?? (await countDelivered(call, target, counting.signal));
      if (!counting.signal.aborted) setStep({ at: "asking", tally, delivered: again });
    };
    setStep({ at: "counting", found: 0 });
    countAll().catch((error: unknown) => !counting.signal.aborted && setStep({ at: "failed", error }));
    return () => counting.abort();
  }, [call, target, delivered, turn]);

  useEffect(() => () => abort.current.abort(), []);

  const send = (of: number): void => {
    let last: Tally | null = null;
    setStep({ at: "sending", of, tally: null });
    const progress = (tally: Tally): void => {
      last = tally;
      setStep({ at: "sending", of, tally });
    };
    runBulk(call, target, false, progress, abort.current.signal).then(
      (tally) => setStep({ at: "done", tally, stopped: abort.current.signal.aborted, error: undefined }),
      (error: unknown) => setStep(last === null ? { at: "failed", error } : { at: "done", tally: last, stopped: true, error }),
    ).finally(onDone);
  };

  return (
    <Dialog title={title(step)} onClose={() => { abort.current.abort(); onClose(); }} foot={<Foot step={step} onClose={onClose} onSend={send} onStop={() => abort.current.abort()} onAgain={() => setTurn(turn + 1)} />}>
      <Content step={step} />
    </Dialog>
  );
}

/** Those that the receiver has already; a filter for one other state finds none. */
async function countDelivered(call: Parameters<typeof runBulk>[0], target: Target, signal: AbortSignal): Promise<number> {
  if ("ids" in target || (target.filter.state !== undefined && target.filter.state !== "delivered")) return 0;
  const tally = await runBulk(call, { filter: { ...target.filter, state: "delivered" } }, true, () => undefined, signal);
  return tally.matched - tally.skipped;
}

function title(step: Step): string {
  switch (step.at) {
    case "asking":
      return step.tally.matched === step.tally.skipped ? "Nothing can be sent again" : `Re-send ${deliveriesOf(step.tally.matched - step.tally.skipped)}?`;
    case "sending":
      return "Sending again";
    case "done":
      return step.stopped ? "Stopped on the way" : "Sent again";
    default:
      return "Re-send deliveries";
  }
}

function Content({ step }: { readonly step: Step }) {
  switch (step.at) {
    case "counting":
      return <div role="status"><p class="muted">{step.found === 0 ? "Counting how many there are…" : `Counting… ${deliveriesOf(step.found)} so far`}</p><Loading lines={2} /></div>;
    case "asking":
      return <Question tally={step.tally} delivered={step.delivered} />;
    case "sending": {
      const done = (step.tally?.retried ?? 0) + (step.tally?.skipped ?? 0);
      return (
        <div class="stack stack-s" role="status">
          <progress class="progress" max={Math.max(1, step.of)} value={Math.min(done, step.of)} aria-label="Progress" />
          <p>{number(done)} of {deliveriesOf(step.of)}</p>
        </div>
      );
    }
    case "done":
      return (
        <div class="stack" role="status">
          {step.error !== undefined && <Banner tone="bad" title="An error ended it">{messageOf(step.error)}</Banner>}
          <p>{deliveriesOf(step.tally.retried)} {step.tally.retried === 1 ? "is" : "are"} on the way again. {step.stopped ? "The rest was left as it is." : "Their rows show how they end."}</p>
          <Skipped tally={step.tally} />
        </div>
      );
    default:
      return <Banner tone="bad">{messageOf(step.error)}</Banner>;
  }
}

function Question({ tally, delivered }: { readonly tally: Tally; readonly delivered: number }) {
  const sent = tally.matched - tally.skipped;
  if (tally.matched === 0) return <p>No delivery fits any more.</p>;
  return (
    <div class="stack">
      {sent > 0 && <p>{sent === 1 ? "It is" : `All ${number(sent)} are`} sent now. Those that had failed or were canceled start a fresh schedule; those that wait are only brought forward. The receiver can tell a repetition: each event keeps its id.</p>}
      {delivered > 0 && <Banner tone="warn" title={`${deliveriesOf(delivered)} arrived before`}>The receiver accepted {delivered === 1 ? "it" : "them"} already and gets {delivered === 1 ? "it" : "them"} once more. To leave {delivered === 1 ? "it" : "them"} out, close this and filter by the state Failed.</Banner>}
      <Skipped tally={tally} />
    </div>
  );
}

function Skipped({ tally }: { readonly tally: Tally }) {
  if (tally.skipped === 0) return null;
  return (
    <Banner tone="info" title={`${deliveriesOf(tally.skipped)} cannot be sent again`}>
      <ul class="stack stack-s">{skippedLines(tally).map((line) => <li key={line}>{line}</li>)}</ul>
    </Banner>
  );
}

interface FootProps {
  readonly step: Step;
  readonly onClose: () => void;
  readonly onSend: (of: number) => void;
  readonly onStop: () => void;
  readonly onAgain: () => void;
}

function Foot({ step, onClose, onSend, onStop, onAgain }: FootProps) {
  if (step.at === "done") return <Button kind="primary" onClick={onClose}>Close</Button>;
  if (step.at === "sending") return <Button onClick={onStop}>Stop</Button>;
  const ready = step.at === "asking" && step.tally.matched > step.tally.skipped;
  return (
    <>
      <Button onClick={onClose}>Cancel</Button>
      {step.at === "failed" && <Button icon="retry" onClick={onAgain}>Try again</Button>}
      {ready && <Button kind="primary" icon="resend" onClick={() => onSend(step.tally.matched)}>Re-send {deliveriesOf(step.tally.matched - step.tally.skipped)}</Button>}
    </>
  );
}
