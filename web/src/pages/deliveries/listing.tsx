import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { agentLink, agentPath, useAgentId } from "../../core/agent.ts";
import { ApiError, path, reconnects } from "../../core/api.ts";
import { deliveries } from "../../core/client.ts";
import { serverNow } from "../../core/clock.ts";
import { useShortcuts } from "../../core/keys.ts";
import { go, link, param, pathname, query } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { useStream } from "../../core/stream.ts";
import type { Delivery, StreamEvent } from "../../core/types.ts";
import { Banner, Button, ButtonLink, Empty, ErrorState, Icon, Loading, VirtualList } from "../../ui/index.ts";
import { messageOf } from "../../core/api.ts";
import { count } from "../../core/format.ts";
import type { Target } from "./bulk.ts";
import { DeliveryDrawer } from "./drawer.tsx";
import { ExportDialog } from "./export.tsx";
import { ClearFilters, LogFilters } from "./filters.tsx";
import { isFiltered, type LogFilter, matches, readFilter, toApi } from "./filter.ts";
import { useFill, useNarrow } from "./fill.ts";
import { DeliveryLog, find } from "./log.ts";
import { ResendDialog } from "./resend.tsx";
import { DeliveryRow } from "./row.tsx";
import { LogHead, Toolbar } from "./toolbar.tsx";
import { useEventNames, useWebhooks, type Webhooks } from "./webhooks.ts";

export interface DeliveryListProps {
  /** Only this webhook's, on its own page; without, those of the whole agent. */
  readonly endpointId?: string;
}

/**
 * The delivery log with its filters, live rows, re-sends and export. Its state
 * is in the address of the page that shows it. A delivery opens in a drawer: on
 * the page of all deliveries its address is `deliveries/:id`, and on a
 * webhook's page `delivery` in the query.
 */
export function DeliveryList({ endpointId }: DeliveryListProps) {
  const agent = useAgentId();
  const webhooks = useWebhooks(agent);
  const events = useEventNames(agent);
  const filter = useFilter(endpointId);
  const live = param("live") !== "off";
  const [choice, setChoice] = useState<Choice>(nothing);
  const [dialog, setDialog] = useState<"export" | Resend | null>(null);
  const [away, setAway] = useState(false);
  const open = useOpen(endpointId);
  const log = useLog(agent, filter, live, webhooks.reload);
  const view = log.view.value;
  const chosen = choice === "all" ? view.rows.length : choice.size;
  useEffect(() => setChoice(nothing), [agent, filter]);
  useEffect(() => log.hold(away || chosen > 0 || open.id !== null), [log, away, chosen > 0, open.id !== null]);

  const box = useRef<HTMLDivElement>(null);
  const { current, move } = useCurrent(view.rows, open);
  useListKeys({ move, open, rows: view.rows, current, onResend: (of) => setDialog(resendOf(of, filter, view.rows)), choice, setChoice });
  const choose = useCallback((id: string, on: boolean) => setChoice((before) => toggle(before === "all" ? new Set(view.rows.map((r) => r.id)) : before, id, on)), [view.rows]);
  const resend = (of: Choice): void => setDialog(resendOf(of, filter, view.rows));
  const may = can("deliveries:write");

  const showNew = (): void => {
    log.show();
    requestAnimationFrame(() => box.current?.scrollTo(0, 0));
  };
  return (
    <div class="log stack">
      <LogFilters filter={filter} webhooks={webhooks} events={events} oneWebhook={endpointId !== undefined} />
      <Toolbar
        view={view} live={live} chosen={chosen} all={choice === "all"} onAll={() => setChoice("all")} onNone={() => setChoice(nothing)}
        onResend={() => resend(choice)} onResendAll={() => resend("all")} onExport={() => setDialog("export")} onReload={() => log.reload()}
      />
      <Rows
        log={log} filter={filter} endpointId={endpointId} webhooks={webhooks} boxRef={box} current={current} open={open} onAway={setAway} onNew={showNew}
        choice={choice} onChoose={may ? choose : null} onChooseAll={(on) => setChoice(on ? new Set(view.rows.map((r) => r.id)) : nothing)}
      />
      {dialog !== null && dialog !== "export" && <ResendDialog agent={agent} {...dialog} onClose={() => setDialog(null)} onDone={() => { setChoice(nothing); log.refresh(); }} />}
      {dialog === "export" && <ExportDialog agent={agent} filter={toApi(filter, serverNow())} filtered={isFiltered(filter)} onClose={() => setDialog(null)} />}
      {open.id !== null && (
        <DeliveryDrawer
          agent={agent} id={open.id} webhooks={webhooks} onClose={open.close} hrefOf={endpointId === undefined ? open.href : (id) => agentLink(`deliveries/${id}`)}
          onPrevious={current > 0 ? () => move(-1) : null} onNext={current < view.rows.length - 1 ? () => move(1) : null}
        />
      )}
    </div>
  );
}

/** Who types an id does not ask for each of its beginnings. */
const shortestId = 16;

/** What is selected: rows, or all that the filters find, loaded or not. */
export type Choice = ReadonlySet<string> | "all";
const nothing: ReadonlySet<string> = new Set();

function toggle(before: ReadonlySet<string>, id: string, on: boolean): Choice {
  const after = new Set(before);
  if (on) after.add(id);
  else after.delete(id);
  return after;
}

interface Resend {
  readonly target: Target;
  /** Unknown where more is chosen than was loaded. */
  readonly delivered: number | undefined;
}

/** A filter without a field would be refused; "accepted until now" is all, and does not grow while it is counted. */
function resendOf(choice: Choice, filter: LogFilter, rows: readonly Delivery[]): Resend | null {
  const one = filter.deliveryId === undefined ? null : new Set([filter.deliveryId]);
  const ids = choice === "all" ? one : choice;
  if (ids !== null) return ids.size === 0 ? null : { target: { ids: [...ids] }, delivered: rows.filter((r) => r.state === "delivered" && ids.has(r.id)).length };
  const now = serverNow();
  const asked = toApi(filter, now);
  return { target: { filter: { ...asked, until: asked.until ?? new Date(now).toISOString() } }, delivered: undefined };
}

function useFilter(endpointId: string | undefined): LogFilter {
  const read = readFilter(query.value);
  const filter: LogFilter = endpointId === undefined ? read : { ...read, endpointId };
  const key = JSON.stringify(filter);
  return useMemo(() => filter, [key]);
}

/** The rows of a filter, kept true by the stream while live. */
function useLog(agent: string, filter: LogFilter, live: boolean, onWebhooks: () => void): DeliveryLog {
  const back = reconnects.value;
  const log = useMemo(() => new DeliveryLog({
    load: async (cursor, signal) => {
      if (filter.deliveryId === undefined) return deliveries.list(agent, { ...toApi(filter, serverNow()), limit: 100, cursor }, signal);
      if (filter.deliveryId.length < shortestId) return { data: [], next_cursor: null };
      try {
        const { attempt_log: _, ...row } = await deliveries.get(agent, filter.deliveryId, signal);
        return { data: matches({ ...filter, period: undefined }, row, serverNow()) === false ? [] : [row], next_cursor: null };
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return { data: [], next_cursor: null };
        throw error;
      }
    },
    matches: (row) => matches(filter, row, serverNow()),
  }), [agent, filter]);
  useEffect(() => {
    log.reload();
    return () => log.stop();
  }, [log]);
  useEffect(() => {
    if (back > 0) log.refresh();
  }, [log, back]);

  const queue = useRef(new Map<string, Delivery>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    queue.current.clear();
  }, [log]);
  useStream(live ? path`v1/agents/${agent}/stream` : null, {}, useCallback((event: StreamEvent) => {
    if (event.type === "endpoint") {
      onWebhooks();
      log.refresh(); // a pause or a resume changes many deliveries, and tells of none
    } else if (event.type === "lagging" || (event.type === "hello" && !event.data.resumed)) log.refresh();
    else if (event.type === "delivery") {
      const { agent_id: _, attempt: __, ...row } = event.data;
      queue.current.set(row.id, row);
      // Hundreds a second are one change of the page four times a second.
      timer.current ??= setTimeout(() => {
        timer.current = undefined;
        log.push([...queue.current.values()]);
        queue.current.clear();
      }, 250);
    }
  }, [log, onWebhooks]));
  return log;
}

interface Open {
  readonly id: string | null;
  readonly href: (id: string) => string;
  readonly close: () => void;
  /** Another one in its place; back still leads to the list. */
  readonly replace: (id: string) => void;
}

/** Which delivery the address names, and how it changes. */
function useOpen(endpointId: string | undefined): Open {
  const part = /\/deliveries\/([^/]+)$/.exec(pathname.value)?.[1];
  const id = endpointId === undefined ? (part === undefined ? null : decodeURIComponent(part)) : param("delivery") || null;
  const rest = Object.fromEntries(query.value);
  const here = pathname.value;
  const href = (to: string): string => (endpointId === undefined ? agentLink(`deliveries/${encodeURIComponent(to)}`, rest) : link(here, { ...rest, delivery: to }));
  const list = endpointId === undefined ? link(agentPath("deliveries"), rest) : link(here, { ...rest, delivery: null });
  // Where the list is the entry before, closing is going back; else it goes to the list.
  const before = useRef<{ id: string | null; list: boolean; replaced: boolean } | null>(null);
  const leaving = useRef(false);
  useLayoutEffect(() => {
    const was = before.current;
    const list = was !== null && id !== null && (was.id === null || (was.replaced && was.list));
    before.current = { id, list, replaced: false };
    leaving.current = false;
  }, [id]);
  const close = (): void => {
    if (leaving.current) return; // the browser goes back a moment later, and once is enough
    leaving.current = before.current?.list === true;
    if (leaving.current) window.history.back();
    else go(list);
  };
  const replace = (to: string): void => {
    if (before.current !== null && to !== id) before.current.replaced = true;
    go(href(to), { replace: true });
  };
  return { id, href, close, replace };
}

/** The row that the keyboard is at: the open one, or the one moved to. */
function useCurrent(rows: readonly Delivery[], open: Open): { current: number; move: (step: number) => void } {
  const [at, setAt] = useState<string | null>(null);
  const id = open.id ?? at;
  useEffect(() => {
    if (open.id !== null) setAt(open.id);
  }, [open.id]);
  const place = id === null ? -1 : find(rows, id);
  const current = rows[place]?.id === id ? place : -1;
  const move = (step: number): void => {
    // From a row that is not in the list: to the one that stands in its place.
    const next = rows[Math.min(rows.length - 1, Math.max(0, current >= 0 ? current + step : Math.max(0, place)))];
    if (next === undefined) return;
    if (open.id !== null) open.replace(next.id);
    setAt(next.id);
  };
  return { current, move };
}

interface KeysOf {
  readonly move: (step: number) => void;
  readonly open: Open;
  readonly rows: readonly Delivery[];
  readonly current: number;
  readonly onResend: (of: Choice) => void;
  readonly choice: Choice;
  readonly setChoice: (choice: Choice) => void;
}

function useListKeys(now: KeysOf): void {
  const latest = useRef(now);
  latest.current = now;
  const may = can("deliveries:write");
  const shown = now.open.id !== null;
  const keys = useMemo(() => {
    const row = (): Delivery | undefined => latest.current.rows[latest.current.current];
    const list = [
      { key: "j", label: "Next delivery", run: () => latest.current.move(1) },
      { key: "k", label: "Previous delivery", run: () => latest.current.move(-1) },
      {
        key: "Enter", label: "Open the delivery",
        run: () => {
          const { activeElement: active } = document;
          if (active instanceof HTMLAnchorElement || active instanceof HTMLButtonElement || active instanceof HTMLElement && active.tagName === "SUMMARY") return active.click();
          const to = row();
          if (to !== undefined && latest.current.open.id === null) go(latest.current.open.href(to.id));
        },
      },
    ];
    if (!may || shown) return list; // the delivery beside the list has an r of its own
    return [
      ...list,
      {
        key: "x", label: "Select the delivery",
        run: () => {
          const { choice, setChoice } = latest.current;
          const to = row();
          if (to !== undefined && choice !== "all") setChoice(toggle(choice, to.id, !choice.has(to.id)));
        },
      },
      {
        key: "r", label: "Re-send what is selected",
        run: () => {
          const { choice, onResend, open } = latest.current;
          const to = row();
          if (open.id !== null) return; // it was opened a moment ago
          if (choice === "all" || choice.size > 0) onResend(choice);
          else if (to !== undefined) onResend(new Set([to.id]));
        },
      },
    ];
  }, [may, shown]);
  useShortcuts(keys);
}

interface RowsProps {
  readonly log: DeliveryLog;
  readonly filter: LogFilter;
  readonly endpointId: string | undefined;
  readonly webhooks: Webhooks;
  readonly boxRef: { current: HTMLDivElement | null };
  readonly current: number;
  readonly open: Open;
  readonly onAway: (away: boolean) => void;
  readonly onNew: () => void;
  readonly choice: Choice;
  readonly onChoose: ((id: string, on: boolean) => void) | null;
  readonly onChooseAll: (on: boolean) => void;
}

function Rows({ log, filter, endpointId, webhooks, boxRef, current, open, onAway, onNew, choice, onChoose, onChooseAll }: RowsProps) {
  const view = log.view.value;
  const frame = useRef<HTMLDivElement>(null);
  const height = useFill(frame);
  const narrow = useNarrow();
  const more = useCallback(() => log.more(), [log]);
  if (view.starting) return <div class="table-wrap"><Loading lines={8} /></div>;
  if (view.error !== undefined && view.rows.length === 0) return <ErrorState error={view.error} onRetry={() => log.reload()} />;
  if (view.rows.length === 0 && !view.hasMore) return <Nothing filter={filter} endpointId={endpointId} webhooks={webhooks} />;
  const one = endpointId !== undefined;
  const rowHeight = narrow ? 84 : 44;
  const marked = (id: string): boolean => choice === "all" || choice.has(id);
  return (
    <div class="log-frame" ref={frame} data-scrolls={view.rows.length * rowHeight > height || undefined}>
      <LogHead oneWebhook={one} rows={view.rows.length} chosen={choice === "all" ? view.rows.length : choice.size} onChooseAll={onChoose === null ? null : onChooseAll} />
      <div class="log-scroll" data-one={one || undefined} data-choose={onChoose !== null || undefined}>
        <VirtualList label="Deliveries" rows={view.rows} id={(d) => d.id} rowHeight={rowHeight} height={height} current={current} chosen={(d) => marked(d.id)} onEnd={more} boxRef={boxRef} onAway={onAway}>
          {(d) => (
            <DeliveryRow
              delivery={d} endpoint={webhooks.byId.get(d.endpoint_id)} webhooksLoaded={webhooks.loaded} href={open.href(d.id)} chosen={marked(d.id)}
              onChoose={onChoose} oneWebhook={one}
            />
          )}
        </VirtualList>
        {(view.fresh > 0 || view.gap) && (
          <div class="log-new" role="status">
            <Button kind="primary" size="small" onClick={onNew}><Icon name="up" size="s" />{view.gap ? "Show the newest" : `${count(view.fresh, "new delivery", "new deliveries")}`}</Button>
          </div>
        )}
      </div>
      {view.error !== undefined && <Banner tone="bad" action={<Button size="small" icon="retry" onClick={more}>Try again</Button>}>{messageOf(view.error)}</Banner>}
    </div>
  );
}

function Nothing({ filter, endpointId, webhooks }: { readonly filter: LogFilter; readonly endpointId: string | undefined; readonly webhooks: Webhooks }) {
  const own = { ...filter, endpointId: endpointId === undefined ? filter.endpointId : undefined };
  if (Object.values(own).some((value) => value !== undefined)) {
    return <Empty icon="filter" title="No delivery fits these filters" action={<ClearFilters kind="normal" />}>{filter.deliveryId !== undefined || filter.eventId !== undefined ? "Check the id; old deliveries are removed after a while. Or clear a filter to see more." : "Remove one of them to see more, or choose a longer time."}</Empty>;
  }
  const webhook = endpointId ?? webhooks.all[0]?.id;
  if (webhook === undefined) {
    return <Empty icon="deliveries" title="Nothing was sent yet" action={can("endpoints:write") && <ButtonLink kind="primary" icon="add" href={agentLink("webhooks/new")}>New webhook</ButtonLink>}>Deliveries appear here once there is a webhook, and an event happens that it takes. Make a webhook first.</Empty>;
  }
  return (
    <Empty icon="deliveries" title="Nothing was sent yet" action={can("deliveries:write") && <ButtonLink kind="primary" icon="test" href={agentLink(`webhooks/${webhook}/testing`)}>Send a test</ButtonLink>}>
      As soon as an event happens that {endpointId === undefined ? "a webhook" : "this webhook"} takes, its delivery appears here by itself. To see one now, send a test.
    </Empty>
  );
}
