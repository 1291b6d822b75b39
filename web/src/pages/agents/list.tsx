import { agentLink } from "../../core/agent.ts";
import { agents } from "../../core/client.ts";
import { usePages } from "../../core/load.ts";
import { param } from "../../core/router.ts";
import { CopyText, Empty, ErrorState, FilterBar, Loading, More, Page, SearchFilter, Table, Time } from "../../ui/index.ts";

export default function AgentList() {
  const search = param("search");
  const list = usePages((cursor, signal) => agents.list({ cursor, ...(search === "" ? {} : { search }) }, signal), [search]);
  return (
    <Page title="Agents" lead="Each agent has its own webhooks, events and log.">
      <FilterBar names={["search"]}><SearchFilter label="Search agents" /></FilterBar>
      {list.starting && <Loading />}
      {list.error !== undefined && <ErrorState error={list.error} onRetry={list.reload} />}
      {!list.starting && list.error === undefined && list.rows.length === 0 && (
        <Empty icon="agents" title={search === "" ? "No agents yet" : "No agent fits"}>{search === "" ? "The platform creates them with the API." : "Names and ids are searched."}</Empty>
      )}
      {list.rows.length > 0 && (
        <Table
          label="Agents" rows={list.rows} id={(a) => a.id} href={(a) => agentLink("webhooks", {}, a.id)} keyboard
          columns={[
            { name: "Name", main: true, cell: (a) => <a class="cell-link strong" href={agentLink("webhooks", {}, a.id)}>{a.name}</a> },
            { name: "Id", cell: (a) => <CopyText text={a.id} label="Agent id" /> },
            { name: "Profile", cell: (a) => a.profile },
            { name: "Created", cell: (a) => <Time at={a.created_at} /> },
          ]}
          foot={<More shown={list.rows.length} noun="agent" hasMore={list.hasMore} loading={list.loading} onMore={list.more} />}
        />
      )}
    </Page>
  );
}
