import { useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { agents } from "../../core/client.ts";
import { count, profileTitle } from "../../core/format.ts";
import { usePages } from "../../core/load.ts";
import { go, link, param } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import type { Agent } from "../../core/types.ts";
import { Button, CopyText, Empty, ErrorState, FilterBar, Loading, Menu, More, Page, SearchFilter, Table, Time, toast } from "../../ui/index.ts";
import { DeleteAgent, EditAgent, NewAgent } from "./dialogs.tsx";
import { FirstSteps } from "./first-steps.tsx";
import { availableWords } from "./words.ts";

type Shown = { readonly kind: "new" } | { readonly kind: "edit" | "delete"; readonly agent: Agent } | null;

export default function AgentList() {
  const search = param("search");
  const list = usePages((cursor, signal) => agents.list({ cursor, ...(search === "" ? {} : { search }) }, signal), [search]);
  const [shown, setShown] = useState<Shown>(null);
  const close = (): void => setShown(null);
  const nothing = !list.starting && list.error === undefined && list.rows.length === 0 && !list.hasMore;
  const add = can("admin") && <Button kind="primary" icon="add" onClick={() => setShown({ kind: "new" })}>New agent</Button>;
  if (nothing && search === "") {
    return (
      <Page title="Agents" lead="There is no agent yet. Here is how it begins.">
        <FirstSteps onCreated={list.reload} />
      </Page>
    );
  }
  return (
    <Page title="Agents" lead="Each agent has its own webhooks, events and log." actions={add}>
      <FilterBar names={["search"]}><SearchFilter label="Search agents" /></FilterBar>
      {list.starting && <Loading />}
      {list.error !== undefined && <ErrorState error={list.error} onRetry={list.reload} />}
      {nothing && <Empty icon="search" title="No agent fits">Names and ids are searched for “{search}”.</Empty>}
      {(list.rows.length > 0 || list.hasMore) && (
        <Table
          label="Agents" rows={list.rows} id={(a) => a.id} href={href} keyboard
          columns={[
            { name: "Name", main: true, cell: (a) => <a class="cell-link strong truncate" href={href(a)}>{a.name}</a> },
            { name: "Id", cell: (a) => <span class="cell-id"><CopyText text={a.id} label="Agent id" /></span> },
            { name: "Webhooks", cell: (a) => <a href={href(a)}>{(a.endpoint_count ?? 0) === 0 ? "None yet" : <span class="nowrap">{count(a.endpoint_count ?? 0, "webhook")}</span>}</a> },
            { name: "Events", cell: (a) => <span class="nowrap" title={a.available_events === null ? "All, now and later" : a.available_events.join(", ")}>{availableWords(a)}</span> },
            { name: "Profile", cell: (a) => profileTitle(a.profile) },
            { name: "Created", cell: (a) => <Time at={a.created_at} /> },
            { name: "Actions", actions: true, cell: (a) => <RowMenu agent={a} show={setShown} /> },
          ]}
          foot={<More shown={list.rows.length} noun="agent" hasMore={list.hasMore} loading={list.loading} onMore={list.more} />}
        />
      )}
      {shown?.kind === "new" && (
        <NewAgent onClose={close} onDone={(agent) => { toast(`${agent.name} was created`); go(href(agent)); }} />
      )}
      {shown?.kind === "edit" && <EditAgent agent={shown.agent} onClose={close} onDone={(next) => list.set((rows) => rows.map((a) => (a.id === next.id ? next : a)))} />}
      {shown?.kind === "delete" && <DeleteAgent agent={shown.agent} onClose={close} onDone={() => list.set((rows) => rows.filter((a) => a.id !== shown.agent.id))} />}
    </Page>
  );
}

const href = (agent: Agent): string => agentLink("webhooks", {}, agent.id);

function RowMenu({ agent, show }: { readonly agent: Agent; readonly show: (shown: Shown) => void }) {
  return (
    <Menu
      label={`Actions for ${agent.name}`}
      items={[
        { label: "Open", icon: "webhook", href: href(agent) },
        { label: "Make a portal link", icon: "link", href: link("/settings/portal", { agent: agent.id }) },
        { label: "Edit…", icon: "edit", onSelect: () => show({ kind: "edit", agent }) },
        "rule",
        { label: "Delete…", icon: "delete", danger: true, onSelect: () => show({ kind: "delete", agent }) },
      ]}
    />
  );
}
