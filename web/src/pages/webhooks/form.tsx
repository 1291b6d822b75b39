import { agentLink, useAgentId } from "../../core/agent.ts";
import { collect } from "../../core/api.ts";
import { agents, endpoints, eventTypes, inboxes, server } from "../../core/client.ts";
import { urlParts } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { param } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import type { PageProps } from "../../routes.ts";
import { Load, Page } from "../../ui/index.ts";
import { WebhookEditor } from "./form-editor.tsx";
import type { Setting } from "./form-parts.ts";
import { ReadOnlyForm } from "./form-readonly.tsx";

async function load(agent: string, id: string | undefined, inbox: string, signal: AbortSignal): Promise<Setting> {
  const [owner, profiles, types, stored, box] = await Promise.all([
    agents.get(agent, signal),
    server.profiles(signal),
    collect((cursor) => eventTypes.list({ agent_id: agent, cursor, limit: 250 }, signal)),
    id === undefined ? null : endpoints.version(agent, id, signal),
    id !== undefined || inbox === "" ? null : inboxes.get(agent, inbox, signal),
  ]);
  const saved = stored === null ? null : { endpoint: stored.data, etag: stored.etag ?? undefined };
  return { agent: owner, profiles, types, saved, inbox: box };
}

/** A new webhook, or the settings of one. */
export default function WebhookForm({ params }: PageProps) {
  const agent = useAgentId();
  const id = params["id"];
  const inbox = param("inbox");
  const setting = useLoad((signal) => load(agent, id, inbox, signal), [agent, id, inbox]);
  const host = setting.data?.saved == null ? "" : urlParts(setting.data.saved.endpoint.url).host;
  const crumbs = [{ label: "Webhooks", href: agentLink("webhooks") }, ...(id === undefined || host === "" ? [] : [{ label: host, href: agentLink(`webhooks/${id}`) }])];
  return (
    <Page title={id === undefined ? "New webhook" : can("endpoints:write") ? "Edit webhook" : "Settings of the webhook"} crumbs={crumbs}>
      <Load of={setting} lines={8}>
        {(s) => (can("endpoints:write") ? <WebhookEditor key={s.saved?.endpoint.id ?? "new"} start={s} /> : <ReadOnlyForm endpoint={s.saved?.endpoint} />)}
      </Load>
    </Page>
  );
}
