import { useMemo } from "preact/hooks";
import { agentLink, useAgentId } from "../../core/agent.ts";
import { base, collect } from "../../core/api.ts";
import { endpoints, eventTypes, server } from "../../core/client.ts";
import { publishCommand } from "../../core/curl.ts";
import { profileTitle, urlName, urlParts } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { link } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { webhookState, webhookStates } from "../../core/state.ts";
import type { Endpoint, EventType, Profiles } from "../../core/types.ts";
import type { PageProps } from "../../routes.ts";
import { Badge, Banner, ButtonLink, Card, CodeBlock, CopyText, KeyValue, Load, Page, State, UrlText } from "../../ui/index.ts";
import { Example } from "./example.tsx";
import { SchemaTree } from "./schema-tree.tsx";
import { schemaTree } from "./schema.ts";
import { takes } from "./takers.ts";

interface TypeDetail {
  readonly type: EventType;
  readonly endpoints: readonly Endpoint[];
  readonly profiles: Profiles;
}

async function load(agent: string, name: string, signal: AbortSignal): Promise<TypeDetail> {
  const [one, types, all, profiles] = await Promise.all([
    eventTypes.get(name, signal),
    // Only the list says what is available to the agent.
    collect((cursor) => eventTypes.list({ agent_id: agent, cursor, limit: 250 }, signal)),
    collect((cursor) => endpoints.list(agent, { cursor, limit: 250 }, signal)),
    server.profiles(signal),
  ]);
  const type = types.find((t) => t.name === one.name) ?? one;
  return { type, profiles, endpoints: all.filter((e) => takes(e, type)) };
}

export default function EventTypePage({ params }: PageProps) {
  const agent = useAgentId();
  const name = params["name"] ?? "";
  const detail = useLoad((signal) => load(agent, name, signal), [agent, name]);
  const type = detail.data?.type;
  const add = type?.available === true && can("endpoints:write") && (
    <ButtonLink icon="add" href={agentLink("webhooks/new", { event: type.name })}>New webhook with this event</ButtonLink>
  );
  return (
    <Page
      title={type?.name ?? name} heading={<code>{type?.name ?? name}</code>} lead={type?.description} actions={add}
      crumbs={[{ label: "Event catalogue", href: agentLink("catalogue") }]}
    >
      <Load of={detail}>{(d) => <Detail detail={d} agent={agent} />}</Load>
    </Page>
  );
}

function Detail({ detail: { type, endpoints: takers, profiles }, agent }: { readonly detail: TypeDetail; readonly agent: string }) {
  return (
    <div class="stack">
      {!type.available && (
        <Banner tone="warn" title="Not available to you">This agent does not produce this event, so a webhook cannot subscribe to it. The platform decides which events an agent has.</Banner>
      )}
      <div class="split">
        <div class="stack">
          <Names type={type} profiles={profiles} />
          <Takers type={type} takers={takers} />
          <Fields type={type} />
        </div>
        <div class="stack">
          <Example agent={agent} type={type} profiles={profiles} />
          {type.available && can("events:write") && <Publish agent={agent} type={type} />}
        </div>
      </div>
    </div>
  );
}

/** For those who publish: the call that makes this event happen. */
function Publish({ agent, type }: { readonly agent: string; readonly type: EventType }) {
  return (
    <Card title="Publish it" lead="What your platform calls when it happens. Every active webhook that takes the event gets it.">
      <div class="stack stack-s">
        <CodeBlock title="Publish the event" text={publishCommand(base.href, agent, type.name, type.example ?? {})} />
        {can("admin") && <p class="small muted">An API key comes from <a href={link("/settings/keys")}>Settings, API keys</a>.</p>}
      </div>
    </Card>
  );
}

function Names({ type, profiles }: { readonly type: EventType; readonly profiles: Profiles }) {
  return (
    <Card title="Names" lead="Receivers get the name of the profile that their webhook has.">
      <KeyValue
        facts={[
          { name: "Event", value: <CopyText text={type.name} label="Event name" /> },
          type.alias === null ? null : { name: "Also accepted", value: <CopyText text={type.alias} label="Other name" /> },
          ...profiles.formats.map((f) => ({ name: `Sent as, ${profileTitle(f.name)}`, value: <code class="anywhere">{f.event_names[type.name] ?? type.name}</code> })),
          { name: "Origin", value: type.built_in ? "Built in" : "Added by the platform" },
        ]}
      />
    </Card>
  );
}

function Takers({ type, takers }: { readonly type: EventType; readonly takers: readonly Endpoint[] }) {
  if (takers.length === 0) {
    const add = type.available && can("endpoints:write");
    return (
      <Card title="Webhooks that take it">
        <p class="muted">
          None yet. {add && <a href={agentLink("webhooks/new", { event: type.name })}>Make a new webhook with this event</a>}
          {add && "."}
        </p>
      </Card>
    );
  }
  return (
    <Card title="Webhooks that take it" flush>
      <ul class="list-plain">
        {takers.map((e) => (
          <li key={e.id} class="row taker">
            <a class="cell-link" title={e.url} aria-label={urlName(e.url)} href={agentLink(`webhooks/${e.id}`)}><UrlText {...urlParts(e.url)} /></a>
            {e.events.includes("*") && <Badge>All events</Badge>}
            <State info={webhookStates[webhookState(e)]} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Fields({ type }: { readonly type: EventType }) {
  const tree = useMemo(() => schemaTree(type.schema), [type]);
  return (
    <Card title="Fields of the data" lead="What the platform gives. Each profile arranges it in its own way: see the example.">
      <div class="stack">
        {type.schema === false ? <p class="muted">Its schema allows no data: every event of this type is refused.</p>
          : tree === null || tree.children.length === 0 ? <p class="muted">No fields are described: the data may be any object.</p> : <SchemaTree tree={tree} />}
        {type.schema !== null && (
          <details class="fold">
            <summary>JSON Schema, for programs</summary>
            <CodeBlock title="JSON Schema" json text={JSON.stringify(type.schema)} />
          </details>
        )}
      </div>
    </Card>
  );
}
