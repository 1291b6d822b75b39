import { agentLink, useAgentId } from "../../core/agent.ts";
import { deliveries, endpoints } from "../../core/client.ts";
import { number, urlParts } from "../../core/format.ts";
import { useLoad, usePages } from "../../core/load.ts";
import { can } from "../../core/session.ts";
import { webhookState, webhookStates } from "../../core/state.ts";
import type { Endpoint } from "../../core/types.ts";
import type { PageProps } from "../../routes.ts";
import { ButtonLink, Card, CopyText, KeyValue, Load, Page, Stat, State, Tabs, Time, UrlText } from "../../ui/index.ts";
import { DeliveryTable } from "../deliveries/table.tsx";

const tabs = [
  { id: "overview", label: "Overview" },
  { id: "deliveries", label: "Deliveries" },
  { id: "testing", label: "Testing" },
  { id: "security", label: "Security" },
] as const;

export default function WebhookDetail({ params }: PageProps) {
  const agent = useAgentId();
  const id = params["id"] ?? "";
  const tab = params["tab"] ?? "overview";
  const endpoint = useLoad((signal) => endpoints.get(agent, id, signal), [agent, id]);
  const url = urlParts(endpoint.data?.url ?? "");
  return (
    <Page
      title={endpoint.data === undefined ? "Webhook" : url.host}
      heading={endpoint.data !== undefined && <><UrlText {...url} wrap /><State badge info={webhookStates[webhookState(endpoint.data)]} /></>}
      crumbs={[{ label: "Webhooks", href: agentLink("webhooks") }]}
      actions={can("endpoints:write") && <ButtonLink icon="edit" href={agentLink(`webhooks/${id}/edit`)}>Edit</ButtonLink>}
    >
      <Tabs label="Webhook" tabs={tabs.map((t) => ({ label: t.label, href: agentLink(t.id === "overview" ? `webhooks/${id}` : `webhooks/${id}/${t.id}`), current: t.id === tab }))} />
      <Load of={endpoint}>{(e) => <Content endpoint={e} tab={tab} />}</Load>
    </Page>
  );
}

function Content({ endpoint, tab }: { readonly endpoint: Endpoint; readonly tab: string }) {
  if (tab === "deliveries") return <Deliveries endpoint={endpoint} />;
  return <Overview endpoint={endpoint} />;
}

function Overview({ endpoint: e }: { readonly endpoint: Endpoint }) {
  const ledger = useLoad((signal) => endpoints.ledger(e.agent_id, e.id, signal), [e.agent_id, e.id]);
  return (
    <div class="stack">
      <Load of={ledger} lines={2}>
        {(l) => (
          <div class="grid">
            <Stat name="Delivered" value={number(l.delivered)} />
            <Stat name="Failed" value={number(l.failed)} />
            <Stat name="Waiting" value={number(l.pending + l.retrying + l.held)} />
          </div>
        )}
      </Load>
      <Card title="Settings">
        <KeyValue
          facts={[
            { name: "Id", value: <CopyText text={e.id} label="Webhook id" /> },
            { name: "Profile", value: e.profile },
            { name: "Signed", value: e.signed ? "Yes" : "No secret is set: requests are not signed" },
            { name: "Created", value: <Time at={e.created_at} /> },
          ]}
        />
      </Card>
    </div>
  );
}

function Deliveries({ endpoint: e }: { readonly endpoint: Endpoint }) {
  const list = usePages((cursor, signal) => deliveries.list(e.agent_id, { endpoint_id: e.id, cursor }, signal), [e.agent_id, e.id]);
  return <DeliveryTable list={list} />;
}
