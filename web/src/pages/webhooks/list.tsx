import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { agentLink, agentPath, useAgentId } from "../../core/agent.ts";
import { collect, messageOf, path } from "../../core/api.ts";
import { endpoints, eventTypes, inboxes } from "../../core/client.ts";
import { useShortcuts } from "../../core/keys.ts";
import { useLoad } from "../../core/load.ts";
import { go, param, setQuery } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { type StreamListener, useStream } from "../../core/stream.ts";
import type { EventType } from "../../core/types.ts";
import { Banner, Button, ButtonLink, Card, Empty, ErrorState, FilterBar, Icon, Loading, Page, SearchFilter, SelectFilter, toastError } from "../../ui/index.ts";
import { eventChoices, filterRows, type Row, rowsOf, stateChoices } from "./list-model.ts";
import { WebhookTable } from "./list-table.tsx";

const noTypes: readonly EventType[] = [];

export default function WebhookList() {
  const agent = useAgentId();
  const list = useLoad((signal) => collect((cursor) => endpoints.list(agent, { cursor, limit: 250 }, signal)), [agent]);
  const health = useLoad(async (signal) => (can("deliveries:read") ? (await endpoints.health(agent, signal)).data : []), [agent]);
  const types = useLoad((signal) => collect((cursor) => eventTypes.list({ agent_id: agent, cursor, limit: 250 }, signal)), [agent]);
  useLive(agent, list.reload, health.reload);
  useShortcuts(useMemo(() => [{ key: "r", label: "Load the list again", run: () => { list.reload(); health.reload(); } }], [list.reload, health.reload]));

  const rows = useMemo(() => rowsOf(list.data ?? [], health.data ?? []), [list.data, health.data]);
  const refresh = useCallback(() => { list.reload(); health.reload(); }, [list.reload, health.reload]);
  const add = can("endpoints:write") && rows.length > 0 && <ButtonLink kind="primary" icon="add" href={agentLink("webhooks/new")}>New webhook</ButtonLink>;
  return (
    <Page title="Webhooks" lead="Each webhook sends the events you choose to a URL of yours, as they happen." actions={add}>
      {list.data === undefined && (list.error === undefined ? <Loading label="Loading the webhooks" /> : <ErrorState title="The webhooks could not be loaded" error={list.error} onRetry={list.reload} />)}
      {list.data !== undefined && list.error !== undefined && (
        <Banner tone="warn" title="The list could not be loaded again" action={<Button size="small" onClick={list.reload}>Try again</Button>}>{messageOf(list.error)}</Banner>
      )}
      {list.data !== undefined && rows.length === 0 && <FirstWebhook agent={agent} />}
      {rows.length > 0 && (
        <Rows rows={rows} types={types.data} starting={health.data === undefined && health.error === undefined} onChanged={refresh} />
      )}
      {health.error !== undefined && rows.length > 0 && (
        <Banner tone="warn" title="The figures of the last 24 hours could not be loaded" action={<Button size="small" onClick={health.reload}>Try again</Button>}>{messageOf(health.error)}</Banner>
      )}
    </Page>
  );
}

interface RowsProps {
  readonly rows: readonly Row[];
  readonly types: readonly EventType[] | undefined;
  /** The figures are not there yet. */
  readonly starting: boolean;
  readonly onChanged: () => void;
}

function Rows({ rows, types, starting, onChanged }: RowsProps) {
  const filter = { search: param("search"), state: param("state"), event: param("event") };
  const shown = filterRows(rows, filter);
  const names = ["search", "state", "event"];
  const clear = (): void => setQuery({ search: null, state: null, event: null });
  return (
    <>
      <FilterBar names={names}>
        <SearchFilter label="Search webhooks" />
        <SelectFilter name="state" label="State" options={stateChoices(rows)} />
        <SelectFilter name="event" label="Event" options={eventChoices(rows, types ?? noTypes)} />
      </FilterBar>
      {shown.length === 0 ? (
        <Empty icon="search" title="No webhook fits these filters" action={<Button icon="close" onClick={clear}>Show all webhooks</Button>}>
          The search looks at URLs, descriptions and ids.
        </Empty>
      ) : (
        <WebhookTable rows={shown} all={rows.length} types={types} starting={starting} onChanged={onChanged} />
      )}
    </>
  );
}

/** Nothing there yet: the two ways to begin. */
function FirstWebhook({ agent }: { readonly agent: string }) {
  const [busy, setBusy] = useState(false);
  if (!can("endpoints:write")) {
    return <Empty icon="webhook" title="No webhooks yet">A webhook sends events to a URL as they happen. You may look at webhooks here, but not make one.</Empty>;
  }
  const tryInbox = (): void => {
    setBusy(true);
    inboxes.create(agent, { name: "First try" }).then(
      (inbox) => go(agentPath(`webhooks/new?inbox=${encodeURIComponent(inbox.id)}`)),
      (error: unknown) => {
        setBusy(false);
        toastError(error);
      },
    );
  };
  return (
    <div class="stack">
      <Empty icon="webhook" title="Set up your first webhook">
        A webhook tells a program of yours what happens, such as a new lead, the moment it happens. There are two ways to begin.
      </Empty>
      <div class="grid grid-2">
        <Card>
          <div class="stack stack-s start-way">
            <h3><Icon name="link" /> I have a URL</h3>
            <p class="muted">Paste the URL of the program that takes the events, choose the events, and send a test.</p>
            <ButtonLink kind="primary" icon="add" href={agentLink("webhooks/new")}>New webhook</ButtonLink>
          </div>
        </Card>
        <Card>
          <div class="stack stack-s start-way">
            <h3><Icon name="inbox" /> I have no URL yet</h3>
            <p class="muted">An inbox is a throw-away URL on this server. It shows you every request that arrives, and whether its signature is right.</p>
            <Button icon="inbox" busy={busy} onClick={tryInbox}>Try it with an inbox</Button>
          </div>
        </Card>
      </div>
    </div>
  );
}

/** A busy agent has many attempts a second; its figures are read every few seconds. */
const calm = 3_000;

/** Keeps states and figures fresh by the stream. */
function useLive(agent: string, reloadList: () => void, reloadHealth: () => void): void {
  const timers = useRef<{ list?: ReturnType<typeof setTimeout> | undefined; health?: ReturnType<typeof setTimeout> | undefined }>({});
  const listen = useCallback<StreamListener>(
    (event) => {
      const soon = (what: "list" | "health", wait: number, run: () => void): void => {
        timers.current[what] ??= setTimeout(() => {
          timers.current[what] = undefined;
          run();
        }, wait);
      };
      if (event.type === "delivery") soon("health", calm, reloadHealth);
      else if (event.type === "endpoint") {
        soon("list", 300, reloadList);
        soon("health", calm, reloadHealth);
      } else if (event.type === "lagging" || !event.data.resumed) {
        soon("list", 300, reloadList);
        soon("health", 300, reloadHealth);
      }
    },
    [reloadList, reloadHealth],
  );
  useEffect(() => () => {
    clearTimeout(timers.current.list);
    clearTimeout(timers.current.health);
  }, []);
  useStream(can("deliveries:read") ? path`v1/agents/${agent}/stream` : null, {}, listen);
}
