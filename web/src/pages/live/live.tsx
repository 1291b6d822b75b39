import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { agentLink, useAgentId } from "../../core/agent.ts";
import { path } from "../../core/api.ts";
import { serverNow } from "../../core/clock.ts";
import { clockTime, count, milliseconds, number, urlParts } from "../../core/format.ts";
import { param } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { deliveryStateNames, deliveryStates, type Tone } from "../../core/state.ts";
import { type StreamState, streamState, useStream } from "../../core/stream.ts";
import type { StreamEvent } from "../../core/types.ts";
import { Badge, Banner, Button, Empty, FilterBar, type IconName, Page, SelectFilter, State, UrlText, VirtualList } from "../../ui/index.ts";
import { useFill, useNarrow } from "../deliveries/fill.ts";
import { useEventNames, useWebhooks, webhookName, type Webhooks } from "../deliveries/webhooks.ts";
import { Feed, type FeedView, fits, happened, type LiveDelivery, type LiveRow, mostRows, stateOf } from "./feed.ts";

const states: Readonly<Record<StreamState, { readonly word: string; readonly tone: Tone; readonly icon: IconName; readonly text: string }>> = {
  connecting: { word: "Connecting", tone: "info", icon: "busy", text: "The connection is being made." },
  connected: { word: "Connected", tone: "good", icon: "live", text: "What happens is shown at once." },
  reconnecting: { word: "Reconnecting", tone: "warn", icon: "unplugged", text: "The connection was lost. It comes back by itself, with what happened meanwhile." },
  paused: { word: "Resting", tone: "muted", icon: "pause", text: "It rests while this page is hidden." },
  refused: { word: "Not available", tone: "bad", icon: "failed", text: "The server refused the connection. Load the page again, or sign in anew." },
};

/** Everything that happens to the agent's deliveries, as it happens. */
export default function LivePage() {
  const agent = useAgentId();
  const webhooks = useWebhooks(agent);
  const events = useEventNames(agent);
  const { view, rate, paused, pause, clear } = useFeed(agent, webhooks.reload);
  const filter = { state: param("state"), event: param("event"), endpointId: param("endpoint_id") };
  const rows = useMemo(() => view.rows.filter((row) => fits(filter, row.delivery)), [view.rows, filter.state, filter.event, filter.endpointId]);
  const status = states[streamState.value ?? "connecting"];
  const option = (value: string, label = value) => ({ value, label });
  return (
    <Page
      title="Live" lead="Deliveries as they happen: accepted, tried, delivered, failed."
      actions={<>
        <span title={status.text}><Badge tone={status.tone} icon={status.icon}>{status.word}</Badge></span>
        <Button icon={paused ? "play" : "pause"} onClick={() => pause(!paused)}>{paused ? "Continue" : "Pause"}</Button>
      </>}
    >
      <FilterBar names={["state", "event", "endpoint_id"]}>
        <SelectFilter name="state" label="State" options={[option("", "Any state"), ...deliveryStateNames.map((s) => option(s, deliveryStates[s].word))]} />
        <SelectFilter name="event" label="Event" options={[option("", "Any event"), ...events.map((e) => option(e))]} />
        <SelectFilter name="endpoint_id" label="Webhook" options={[option("", "Any webhook"), ...webhooks.all.map((e) => option(e.id, webhookName(e).slice(0, 60)))]} />
      </FilterBar>
      <div class="log stack">
        <Counts view={view} shown={rows.length} rate={rate} paused={paused} onClear={clear} />
        {status.tone === "warn" || status.tone === "bad" ? <Banner tone={status.tone} title={status.word}>{status.text}</Banner> : null}
        <Rows rows={rows} any={view.rows.length > 0} webhooks={webhooks} />
      </div>
    </Page>
  );
}

function Counts({ view, shown, rate, paused, onClear }: { readonly view: FeedView; readonly shown: number; readonly rate: number; readonly paused: boolean; readonly onClear: () => void }) {
  const kept = view.rows.length === mostRows ? `the latest ${number(mostRows)}` : count(view.rows.length, "row");
  return (
    <div class="log-bar">
      <span><b class="number">{number(Math.round(rate * 10) / 10 >= 10 ? Math.round(rate) : rate)}</b> <span class="muted">a second</span></span>
      <span class="muted">{shown === view.rows.length ? kept : `${number(shown)} of ${kept}`} shown</span>
      {paused && <span class="tone-warn tone-text strong">Paused{view.waiting > 0 ? `: ${number(view.waiting)} more came` : ""}</span>}
      {view.skipped > 0 && <span class="tone-warn tone-text">{number(view.skipped)} skipped because there were too many; Deliveries has them all</span>}
      <span class="push"><Button size="small" kind="quiet" disabled={view.rows.length === 0 && view.skipped === 0} onClick={onClear}>Clear</Button></span>
    </div>
  );
}

function Rows({ rows, any, webhooks }: { readonly rows: readonly LiveRow[]; readonly any: boolean; readonly webhooks: Webhooks }) {
  const frame = useRef<HTMLDivElement>(null);
  const height = useFill(frame);
  const rowHeight = useNarrow() ? 84 : 40;
  if (rows.length === 0) {
    if (any) return <Empty icon="filter" title="Nothing that fits these filters happened yet">It appears here by itself. Or clear a filter to see the rest.</Empty>;
    return <Empty icon="live" title="Waiting for something to happen">New deliveries appear here by themselves. To see one now, open a <a href={agentLink("webhooks")}>webhook</a> and send a test{can("events:write") && <>, or publish an event: the <a href={agentLink("catalogue")}>catalogue</a> has the command for each</>}. What happened before is in <a href={agentLink("deliveries")}>Deliveries</a>.</Empty>;
  }
  return (
    <div class="log-frame" ref={frame} data-scrolls={rows.length * rowHeight > height || undefined}>
      <div class="live-scroll">
        <VirtualList label="Live deliveries" rows={rows} id={(row) => String(row.key)} rowHeight={rowHeight} height={height}>
          {(row) => <Row row={row} webhooks={webhooks} />}
        </VirtualList>
      </div>
    </div>
  );
}

function Row({ row: { key, at, delivery: d }, webhooks }: { readonly row: LiveRow; readonly webhooks: Webhooks }) {
  const endpoint = webhooks.byId.get(d.endpoint_id);
  return (
    <>
      <time class="live-time time muted" dateTime={at} title={at}>{clockTime(at)}</time>
      <a class="log-link live-state" id={`live-${key}-state`} aria-labelledby={`live-${key}-state live-${key}-event live-${key}-webhook`} href={agentLink(`deliveries/${d.id}`)}><State info={stateOf(d)} /></a>
      <code class="live-event truncate" id={`live-${key}-event`}>{d.event}</code>
      <span class="live-webhook truncate" id={`live-${key}-webhook`}>{endpoint === undefined ? <span class="muted">{webhooks.loaded ? "Deleted webhook" : ""}</span> : <UrlText {...urlParts(endpoint.url)} />}</span>
      <span class="live-what muted truncate">{happened(d)}</span>
      <span class="live-took number muted">{d.attempt === null ? "" : milliseconds(d.attempt.duration_ms)}</span>
    </>
  );
}

/** The feed of an agent. Hundreds of events a second are a few changes of the page. */
function useFeed(agent: string, onWebhooks: () => void) {
  const feed = useMemo(() => new Feed(), [agent]);
  const [view, setView] = useState<FeedView>(() => feed.view());
  const [rate, setRate] = useState(0);
  const [paused, setPaused] = useState(false);
  const queue = useRef<LiveDelivery[]>([]);
  useEffect(() => {
    const flush = setInterval(() => {
      if (queue.current.length === 0) return;
      feed.push(queue.current, serverNow());
      queue.current = [];
      setView(feed.view());
    }, 250);
    const tick = setInterval(() => setRate(feed.rate(serverNow())), 1_000);
    setView(feed.view());
    return () => {
      clearInterval(flush);
      clearInterval(tick);
      queue.current = [];
    };
  }, [feed]);
  useStream(path`v1/agents/${agent}/stream`, {}, useCallback((event: StreamEvent) => {
    if (event.type === "delivery") queue.current.push(event.data);
    else if (event.type === "endpoint") onWebhooks();
    else if (event.type === "lagging") {
      feed.skip(event.data.dropped);
      setView(feed.view());
    }
  }, [feed, onWebhooks]));
  const pause = (on: boolean): void => {
    feed.pause(on);
    setPaused(on);
    setView(feed.view());
  };
  const clear = (): void => {
    feed.clear();
    setView(feed.view());
  };
  return { view, rate, paused, pause, clear };
}
