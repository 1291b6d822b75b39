import { agentLink, useAgentId } from "../../core/agent.ts";
import { collect } from "../../core/api.ts";
import { endpoints, eventTypes, server } from "../../core/client.ts";
import { count } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { param } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import type { Endpoint, EventType, Format } from "../../core/types.ts";
import { Badge, Empty, FilterBar, Load, Page, SearchFilter, SelectFilter, Table } from "../../ui/index.ts";
import { otherNames, takes, typeFits } from "./takers.ts";

interface Catalogue {
  readonly types: readonly EventType[];
  readonly endpoints: readonly Endpoint[];
  readonly formats: readonly Format[];
}

async function load(agent: string, signal: AbortSignal): Promise<Catalogue> {
  const [types, all, profiles] = await Promise.all([
    collect((cursor) => eventTypes.list({ agent_id: agent, cursor, limit: 250 }, signal)),
    collect((cursor) => endpoints.list(agent, { cursor, limit: 250 }, signal)),
    server.profiles(signal),
  ]);
  return { types, endpoints: all, formats: profiles.formats };
}

export default function CataloguePage() {
  const agent = useAgentId();
  const catalogue = useLoad((signal) => load(agent, signal), [agent]);
  return (
    <Page title="Event catalogue" lead="Everything that can happen, and what is sent when it does.">
      <Load of={catalogue}>{(all) => <Types all={all} />}</Load>
    </Page>
  );
}

function Types({ all }: { readonly all: Catalogue }) {
  const search = param("search");
  const show = param("show");
  const fitting = all.types.filter((t) => {
    if (show === "used" && !all.endpoints.some((e) => takes(e, t))) return false;
    if (show === "unused" && all.endpoints.some((e) => takes(e, t))) return false;
    if (show === "unavailable" && t.available) return false;
    return typeFits(t, otherNames(t, all.formats), search);
  });
  const groups = [
    { title: "Built in", lead: "The same on every server.", types: fitting.filter((t) => t.built_in) },
    { title: "Added by the platform", lead: "Registered for this platform.", types: fitting.filter((t) => !t.built_in) },
  ].filter((g) => g.types.length > 0);
  return (
    <>
      <FilterBar names={["search", "show"]}>
        <SearchFilter label="Search events" />
        <SelectFilter
          name="show" label="Show"
          options={[
            { value: "", label: "All events" },
            { value: "used", label: "Sent to a webhook" },
            { value: "unused", label: "Sent to no webhook yet" },
            { value: "unavailable", label: "Not available to you" },
          ]}
        />
      </FilterBar>
      {groups.length === 0 && <Empty icon="search" title="No event fits">Names, other names and descriptions are searched. Clear the filters to see all {count(all.types.length, "event")}.</Empty>}
      {groups.map((g, i) => (
        <section class="stack stack-s catalogue" key={g.title} aria-label={g.title}>
          <div class="row"><h2>{g.title}</h2><span class="muted">{count(g.types.length, "event")}. {g.lead}</span></div>
          <TypeTable label={g.title} types={g.types} all={all} keyboard={i === 0} />
        </section>
      ))}
    </>
  );
}

function TypeTable({ label, types, all, keyboard }: { readonly label: string; readonly types: readonly EventType[]; readonly all: Catalogue; readonly keyboard: boolean }) {
  return (
    <Table
      label={`${label}: events`} rows={types} id={(t) => t.name} href={typeLink} keyboard={keyboard}
      columns={[
        {
          name: "Event", main: true,
          cell: (t) => (
            <a class="cell-link type-cell" href={typeLink(t)}>
              <code class="strong anywhere">{t.name}</code>
              <span class="muted">{t.description}</span>
            </a>
          ),
        },
        { name: "Also called", cell: (t) => <OtherNames names={otherNames(t, all.formats)} /> },
        { name: "Sent to", cell: (t) => <SentTo type={t} takers={all.endpoints.filter((e) => takes(e, t)).length} /> },
      ]}
    />
  );
}

const typeLink = (t: EventType): string => agentLink(`catalogue/${encodeURIComponent(t.name)}`);

function OtherNames({ names }: { readonly names: readonly string[] }) {
  if (names.length === 0) return <span class="muted">–</span>;
  return <span class="row">{names.map((n) => <code class="muted anywhere" key={n}>{n}</code>)}</span>;
}

function SentTo({ type, takers }: { readonly type: EventType; readonly takers: number }) {
  if (!type.available) return <Badge icon="lock">Not available to you</Badge>;
  if (takers > 0) return <a href={typeLink(type)}>{count(takers, "webhook")}</a>;
  if (!can("endpoints:write")) return <span class="muted">No webhook yet</span>;
  return <span class="nowrap"><span class="muted">None yet.</span> <a href={agentLink("webhooks/new", { event: type.name })} aria-label={`New webhook with ${type.name}`}>New webhook</a></span>;
}
