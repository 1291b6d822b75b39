import { agentLink, useAgentId } from "../../core/agent.ts";
import { endpoints } from "../../core/client.ts";
import { urlParts } from "../../core/format.ts";
import { usePages } from "../../core/load.ts";
import { param } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { webhookDetail, webhookState, webhookStates } from "../../core/state.ts";
import { ButtonLink, Empty, ErrorState, FilterBar, Loading, More, Page, SearchFilter, State, Table, Time, UrlText } from "../../ui/index.ts";

export default function WebhookList() {
  const agent = useAgentId();
  const list = usePages((cursor, signal) => endpoints.list(agent, { cursor, limit: 100 }, signal), [agent]);
  const search = param("search").toLowerCase();
  const rows = list.rows.filter((e) => `${e.url} ${e.description} ${e.id}`.toLowerCase().includes(search));
  const add = can("endpoints:write") && <ButtonLink kind="primary" icon="add" href={agentLink("webhooks/new")}>New webhook</ButtonLink>;
  return (
    <Page title="Webhooks" lead="Each webhook gets the events that it subscribes to, as signed requests." actions={add}>
      {list.starting && <Loading />}
      {list.error !== undefined && <ErrorState error={list.error} onRetry={list.reload} />}
      {!list.starting && list.error === undefined && list.rows.length === 0 && (
        <Empty icon="webhook" title="No webhooks yet" action={add}>A webhook sends events to a URL of yours as they happen. No receiver yet? An inbox shows what would arrive.</Empty>
      )}
      {list.rows.length > 0 && (
        <>
          <FilterBar names={["search"]}><SearchFilter label="Search webhooks" /></FilterBar>
          {rows.length === 0 ? <Empty icon="search" title="No webhook fits">URLs, descriptions and ids are searched.</Empty> : (
            <Table
              label="Webhooks" rows={rows} id={(e) => e.id} href={(e) => agentLink(`webhooks/${e.id}`)} keyboard
              columns={[
                { name: "URL", main: true, cell: (e) => <a class="cell-link" href={agentLink(`webhooks/${e.id}`)}><UrlText {...urlParts(e.url)} /></a> },
                { name: "State", cell: (e) => <State info={webhookStates[webhookState(e)]}>{[webhookStates[webhookState(e)].word, webhookDetail(e)].filter((t) => t !== "").join(": ")}</State> },
                { name: "Method", cell: (e) => <span class="tag">{e.method}</span> },
                { name: "Events", cell: (e) => (e.events[0] === "*" ? "All" : String(e.events.length)) },
                { name: "Created", cell: (e) => <Time at={e.created_at} /> },
              ]}
              foot={<More shown={rows.length} noun="webhook" hasMore={list.hasMore} loading={list.loading} onMore={list.more} />}
            />
          )}
        </>
      )}
    </Page>
  );
}
