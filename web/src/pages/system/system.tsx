import { base } from "../../core/api.ts";
import { server } from "../../core/client.ts";
import { useLoad } from "../../core/load.ts";
import { usePolled } from "../../core/poll.ts";
import { can } from "../../core/session.ts";
import { checks as words } from "../../core/state.ts";
import type { Check } from "../../core/types-server.ts";
import { ButtonLink, Card, KeyValue, Load, Page, State } from "../../ui/index.ts";
import { checkName, loadFacts, serverFacts, settingFacts, storeFacts } from "./facts.tsx";
import { Nodes } from "./nodes.tsx";
import { OperatorOnly } from "./operator-only.tsx";

export default function System() {
  if (!can("admin")) return <OperatorOnly title="System" />;
  return <SystemPage />;
}

function SystemPage() {
  const system = useLoad(async (signal) => {
    const [info, nodes] = await Promise.all([server.system(signal), server.nodes(signal)]);
    return { info, nodes: nodes.data };
  }, []);
  usePolled(5_000, system);
  const links = (
    <>
      <ButtonLink icon="external" href={new URL("docs", base).href} target="_blank" rel="noopener">API reference</ButtonLink>
      <ButtonLink icon="external" href={new URL("metrics", base).href} target="_blank" rel="noopener">Metrics</ButtonLink>
    </>
  );
  return (
    <Page title="System" lead="The server, its store, and what should be looked at." actions={links}>
      <Load of={system}>
        {({ info: s, nodes }) => (
          <div class="stack">
            <Checks checks={s.checks} />
            <Nodes nodes={nodes} />
            <div class="split">
              <Card title="Server"><KeyValue facts={serverFacts(s)} /></Card>
              <Card title="Store"><KeyValue facts={storeFacts(s)} /></Card>
              <Card title="Load now" lead="Of the process that answers this page; it refreshes by itself."><KeyValue facts={loadFacts(s)} /></Card>
              <Card title="Settings" lead="Set when the server starts; see its documentation to change them."><KeyValue facts={settingFacts(s)} /></Card>
            </div>
          </div>
        )}
      </Load>
    </Page>
  );
}

const order = { error: 0, warning: 1, ok: 2 } as const;

function Checks({ checks }: { readonly checks: readonly Check[] }) {
  const sorted = [...checks].sort((a, b) => order[a.status] - order[b.status]);
  return (
    <Card title="Checks" flush>
      <ul class="list-plain">
        {sorted.map((c) => (
          <li key={c.name} class="check">
            <State info={words[c.status]} />
            <span class="strong">{checkName(c.name)}</span>
            <span class="check-text">{c.text}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
