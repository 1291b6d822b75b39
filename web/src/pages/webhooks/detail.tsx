import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { agentLink, useAgentId } from "../../core/agent.ts";
import { path } from "../../core/api.ts";
import { endpoints } from "../../core/client.ts";
import { urlParts } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { usePart } from "../../core/part.ts";
import { webhookState, webhookStates } from "../../core/state.ts";
import { useStream } from "../../core/stream.ts";
import type { StreamEvent } from "../../core/types.ts";
import type { PageProps } from "../../routes.ts";
import { CopyText, ErrorState, Load, Loading, OtherVersion, Page, State, Tabs, UrlText } from "../../ui/index.ts";
import { DetailActions } from "./detail/actions.tsx";
import { DeliveriesTab } from "./detail/deliveries.tsx";
import { Overview } from "./detail/overview.tsx";
import type { Detail } from "./detail/subject.ts";
import { Testing } from "./detail/testing.tsx";

const tabs = [
  { id: "overview", label: "Overview" },
  { id: "deliveries", label: "Deliveries" },
  { id: "testing", label: "Testing" },
  { id: "security", label: "Security" },
] as const;

/** How long after something happened the page loads its numbers anew, at least. */
const settle = 2_000;

export default function WebhookDetail({ params }: PageProps) {
  const agent = useAgentId();
  const id = params["id"] ?? "";
  const tab = params["tab"] ?? "overview";
  const endpoint = useLoad((signal) => endpoints.get(agent, id, signal), [agent, id]);
  const health = useLoad((signal) => endpoints.health(agent, signal).then(({ data }) => data.find((h) => h.endpoint_id === id)), [agent, id]);
  const ledger = useLoad((signal) => endpoints.ledger(agent, id, signal), [agent, id]);
  const [beat, setBeat] = useState(0);

  const reloads = useRef<(() => void)[]>([]);
  reloads.current = [endpoint.reload, health.reload, ledger.reload];
  const refresh = useCallback(() => {
    for (const reload of reloads.current) reload();
    setBeat((n) => n + 1);
  }, []);
  useChanges(agent, id, refresh);

  const e = endpoint.data;
  const url = urlParts(e?.url ?? "");
  const detail: Detail | undefined = e === undefined ? undefined : { endpoint: e, health: health.data, ledger: ledger.data, beat, refresh, set: (next) => endpoint.set(() => next) };
  return (
    <Page
      title={e === undefined ? "Webhook" : url.host}
      heading={e === undefined ? undefined : <><UrlText {...short(url)} wrap /><State badge info={webhookStates[webhookState(e, health.data)]} /></>}
      lead={e !== undefined && <Lead id={e.id} description={e.description} />}
      crumbs={[{ label: "Webhooks", href: agentLink("webhooks") }]}
      actions={detail !== undefined && <DetailActions detail={detail} />}
    >
      <Tabs label="Webhook" tabs={tabs.map((t) => ({ label: t.label, href: agentLink(t.id === "overview" ? `webhooks/${id}` : `webhooks/${id}/${t.id}`), current: t.id === tab }))} />
      <Load of={endpoint}>{() => detail !== undefined && <Tab detail={detail} tab={tab} />}</Load>
    </Page>
  );
}

/** The heading has room for a long path, not for any; the settings show all of it. */
function short({ host, rest }: { readonly host: string; readonly rest: string }): { host: string; rest: string } {
  return { host, rest: rest.length > 80 ? `${rest.slice(0, 60)}…${rest.slice(-16)}` : rest };
}

function Lead({ id, description }: { readonly id: string; readonly description: string }) {
  return (
    <span class="row">
      {description !== "" && <span>{description}</span>}
      <CopyText text={id} label="Webhook id" />
    </span>
  );
}

function Tab({ detail, tab }: { readonly detail: Detail; readonly tab: string }) {
  switch (tab) {
    case "overview":
      return <Overview detail={detail} />;
    case "deliveries":
      return <DeliveriesTab detail={detail} />;
    case "testing":
      return <Testing detail={detail} key={detail.endpoint.id} />;
    case "security":
      return <Security detail={detail} />;
    default:
      return <ErrorState error={new Error("This webhook has no such part. The address may be from another version.")} title="There is no such page" />;
  }
}

/** The part with the examples and the checker, which most readers never open: a chunk of its own. */
function Security({ detail }: { readonly detail: Detail }) {
  const { part, missing } = usePart(security);
  if (missing) return <OtherVersion />;
  return part === undefined ? <Loading /> : <part.Security detail={detail} key={detail.endpoint.id} />;
}

const security = () => import("./detail/security.tsx");

/** Calls `changed` soon after something happened to the webhook, however much it is. */
function useChanges(agent: string, id: string, changed: () => void): void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const greeted = useRef(false);
  const listen = useCallback((event: StreamEvent) => {
    if (event.type === "hello" && (event.data.resumed || !greeted.current)) {
      greeted.current = true;
      return; // nothing was missed: the page has just loaded, or the stream went on
    }
    if (event.type === "endpoint" && event.data.endpoint_id !== id) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      changed();
    }, settle);
  }, [id, changed]);
  useEffect(() => () => {
    clearTimeout(timer.current);
    timer.current = undefined;
  }, [id]);
  useStream(path`v1/agents/${agent}/stream`, { endpoint_id: id }, listen);
}
