import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, path } from "../../core/api.ts";
import { deliveries } from "../../core/client.ts";
import { serverNow } from "../../core/clock.ts";
import { until } from "../../core/format.ts";
import { useShortcuts } from "../../core/keys.ts";
import { useLoad } from "../../core/load.ts";
import { can } from "../../core/session.ts";
import { deliveryStates } from "../../core/state.ts";
import { useStream } from "../../core/stream.ts";
import type { DeliveryDetail, Endpoint, StreamEvent } from "../../core/types.ts";
import { Button, ConfirmDialog, Drawer, Empty, IconButton, Load, State, toast } from "../../ui/index.ts";
import { DeliveryStory } from "./story.tsx";
import { attemptsOf, type Webhooks } from "./webhooks.ts";

export interface DeliveryDrawerProps {
  readonly agent: string;
  readonly id: string;
  readonly webhooks: Webhooks;
  readonly onClose: () => void;
  /** The address of another delivery of the same event. */
  readonly hrefOf: (id: string) => string;
  /** Goes to the row before or after; null where there is none. */
  readonly onPrevious: (() => void) | null;
  readonly onNext: (() => void) | null;
}

/** What somebody wants to do with a delivery; early if it was not loaded yet, and the question comes when it is. */
interface Asked {
  readonly id: string;
  readonly what: "resend" | "cancel";
  readonly early: boolean;
}

/** A delivery beside the list, kept up to date while it is open. */
export function DeliveryDrawer({ agent, id, webhooks, onClose, hrefOf, onPrevious, onNext }: DeliveryDrawerProps) {
  const delivery = useLoad((signal) => deliveries.get(agent, id, signal), [agent, id]);
  const [asks, setAsks] = useState<Asked | null>(null);
  useLive(agent, id, delivery.reload);
  useEffect(() => setAsks((a) => (a?.id === id ? a : null)), [id]);
  const top = useRef<HTMLDivElement>(null);
  useEffect(() => top.current?.closest(".dialog-body")?.scrollTo(0, 0), [id]);

  const d = delivery.data?.id === id ? delivery.data : undefined;
  const gone = delivery.error instanceof ApiError && delivery.error.status === 404;
  const endpoint = d === undefined ? undefined : webhooks.byId.get(d.endpoint_id);
  const hindrance = d === undefined ? "" : whyNotResend(endpoint, webhooks.loaded);
  const ready = d !== undefined && hindrance === "";
  const may = can("deliveries:write");
  const asked = asks?.id === id && (!asks.early || ready) ? asks.what : null;
  const ask = (what: Asked["what"]): void => setAsks({ id, what, early: d === undefined });
  const latest = useRef(ask);
  latest.current = (what) => {
    if (hindrance === "" && (d !== undefined || delivery.error === undefined)) ask(what);
  };
  useEffect(() => {
    if (d !== undefined || delivery.error !== undefined) setAsks((a) => (a?.early !== true ? a : ready ? { ...a, early: false } : null));
  }, [d === undefined, delivery.error]);
  useShortcuts(useMemo(() => (may ? [{ key: "r", label: "Re-send this delivery", run: () => latest.current("resend") }] : []), [may]));

  const note = may ? hindrance : "Your link lets you look, but not re-send.";
  const foot = (
    <>
      <IconButton icon="up" label="Previous delivery (k)" disabled={onPrevious === null} onClick={() => onPrevious?.()} />
      <IconButton icon="down" label="Next delivery (j)" disabled={onNext === null} onClick={() => onNext?.()} />
      <span class="push" />
      {note !== "" && <span class="drawer-note small muted">{note}</span>}
      {d !== undefined && may && d.finished_at === null && <Button icon="canceled" onClick={() => ask("cancel")}>Cancel delivery</Button>}
      {d !== undefined && may && <Button kind="primary" icon="resend" disabled={!ready} onClick={() => ask("resend")}>Re-send</Button>}
    </>
  );
  const title = d === undefined ? "Delivery" : <span class="row"><code>{d.event}</code> <State badge info={deliveryStates[d.state]} /></span>;
  return (
    <>
      <Drawer title={title} onClose={onClose} foot={foot} keys>
        <div ref={top} />
        {gone ? <Gone onClose={onClose} /> : <Load of={delivery} lines={8}>{(loaded) => <DeliveryStory key={loaded.id} delivery={loaded} webhooks={webhooks} agent={agent} hrefOf={hrefOf} />}</Load>}
      </Drawer>
      {d !== undefined && asked === "resend" && <ResendOne agent={agent} delivery={d} endpoint={endpoint} onDone={delivery.set} onClose={() => setAsks(null)} />}
      {d !== undefined && asked === "cancel" && <CancelOne agent={agent} delivery={d} onDone={delivery.set} onClose={() => setAsks(null)} />}
    </>
  );
}

function Gone({ onClose }: { readonly onClose: () => void }) {
  return <Empty icon="question" title="This delivery is not here" action={<Button onClick={onClose}>Show the list</Button>}>Its id may be incomplete, or it is older than the log is kept.</Empty>;
}

/** Loads anew when the stream tells of this delivery; soon after, since one attempt may tell twice. */
function useLive(agent: string, id: string, reload: () => void): void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useStream(path`v1/agents/${agent}/stream`, {}, useCallback((event: StreamEvent) => {
    const about = event.type === "delivery" ? event.data.id === id : event.type === "endpoint" || event.type === "lagging" || (event.type === "hello" && !event.data.resumed);
    if (!about) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(reload, 150);
  }, [id, reload]));
  useEffect(() => () => clearTimeout(timer.current), [id]);
}

/** What stands in the way of a re-send, in words; "" if nothing does. */
function whyNotResend(endpoint: Endpoint | undefined, loaded: boolean): string {
  if (endpoint === undefined) return loaded ? "Its webhook was deleted: it cannot be sent again." : "";
  switch (endpoint.state) {
    case "disabled":
      return "Its webhook is turned off. Enable it to re-send.";
    case "paused":
      return "Its webhook is paused. Resume it to re-send.";
    case "suspended":
      return "Its webhook is suspended. Resume it to re-send.";
    default:
      return "";
  }
}

interface OneProps {
  readonly agent: string;
  readonly delivery: DeliveryDetail;
  readonly onDone: (change: (d: DeliveryDetail) => DeliveryDetail) => void;
  readonly onClose: () => void;
}

function ResendOne({ agent, delivery: d, endpoint, onDone, onClose }: OneProps & { readonly endpoint: Endpoint | undefined }) {
  const attempts = attemptsOf(endpoint);
  const wait = d.next_attempt_at === null ? "" : until(d.next_attempt_at, serverNow());
  const resend = async (): Promise<void> => {
    const after = await deliveries.retry(agent, d.id);
    onDone((shown) => (shown.id === after.id ? after : shown));
    toast("It is on the way again.");
  };
  return (
    <ConfirmDialog title="Re-send this delivery?" action="Re-send" onConfirm={resend} onClose={onClose}>
      {d.state === "delivered" && <p>The receiver accepted it already and gets the same event once more. It has the same id, so the receiver can tell.</p>}
      {(d.state === "failed" || d.state === "canceled") && <p>It is sent now. If that fails, it is tried again on a fresh schedule{attempts === undefined ? "" : attempts === 1 ? " of one attempt" : ` of up to ${attempts} attempts`}.</p>}
      {d.finished_at === null && <p>It is sent now{wait === "" ? "" : ` instead of in ${wait}`}. If that fails, its schedule goes on as planned.</p>}
    </ConfirmDialog>
  );
}

function CancelOne({ agent, delivery: d, onDone, onClose }: OneProps) {
  const cancel = async (): Promise<void> => {
    const after = await deliveries.cancel(agent, d.id);
    onDone((shown) => (shown.id === after.id ? after : shown));
    toast("It was canceled.");
  };
  return (
    <ConfirmDialog title="Cancel this delivery?" action="Cancel delivery" danger onConfirm={cancel} onClose={onClose}>
      <p>This one delivery is not tried again. An attempt that is under way is not cut off: if it succeeds, the delivery counts as delivered.</p>
      <p>Other webhooks still get the event, and you can re-send this delivery later.</p>
    </ConfirmDialog>
  );
}
