import { server } from "../../core/client.ts";
import { bytes, number } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { checks } from "../../core/state.ts";
import { Card, KeyValue, Load, Page, State, Time } from "../../ui/index.ts";

export default function System() {
  const system = useLoad((signal) => server.system(signal), []);
  return (
    <Page title="System" lead="The server, its store, and what should be looked at.">
      <Load of={system}>
        {(s) => (
          <div class="stack">
            <Card title="Checks" flush>
              <ul class="list-plain">
                {s.checks.map((c) => <li key={c.name} class="row"><State info={checks[c.status]} /> <span>{c.text}</span></li>)}
              </ul>
            </Card>
            <Card title="Server">
              <KeyValue
                facts={[
                  { name: "Version", value: s.version },
                  { name: "Node", value: s.node },
                  { name: "Started", value: <Time at={s.started_at} /> },
                  { name: "Store", value: `${s.store.driver}, ${bytes(s.store.size_bytes)}` },
                  { name: "Events kept", value: number(s.store.events_kept) },
                ]}
              />
            </Card>
          </div>
        )}
      </Load>
    </Page>
  );
}
