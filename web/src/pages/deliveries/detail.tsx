import { agentLink, useAgentId } from "../../core/agent.ts";
import { now } from "../../core/clock.ts";
import { deliveries } from "../../core/client.ts";
import { explain } from "../../core/explain.ts";
import { milliseconds } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { deliveryPhrase, deliveryStates, outcomePhrase } from "../../core/state.ts";
import type { Attempt } from "../../core/types.ts";
import type { PageProps } from "../../routes.ts";
import { Banner, Card, CodeBlock, CopyText, KeyValue, Load, Page, State, Time, TimelineBar } from "../../ui/index.ts";

export default function DeliveryDetailPage({ params }: PageProps) {
  const agent = useAgentId();
  const id = params["id"] ?? "";
  const delivery = useLoad((signal) => deliveries.get(agent, id, signal), [agent, id]);
  return (
    <Page title={delivery.data?.event ?? "Delivery"} crumbs={[{ label: "Deliveries", href: agentLink("deliveries") }]}>
      <Load of={delivery}>
        {(d) => {
          const why = d.reason === null ? null : explain(d.reason, d.last_status_code);
          return (
            <div class="stack">
              {why !== null && <Banner tone={d.state === "failed" ? "bad" : "warn"} title={why.title}>{why.cause} {why.fix}</Banner>}
              <Card>
                <KeyValue
                  facts={[
                    { name: "State", value: <State info={deliveryStates[d.state]}>{deliveryPhrase(d, now.value)}</State> },
                    { name: "Delivery", value: <CopyText text={d.id} label="Delivery id" /> },
                    { name: "Event", value: <CopyText text={d.event_id} label="Event id" /> },
                    { name: "Accepted", value: <Time at={d.created_at} /> },
                  ]}
                />
              </Card>
              {d.attempt_log.map((a) => <AttemptCard key={a.number} attempt={a} />)}
            </div>
          );
        }}
      </Load>
    </Page>
  );
}

function AttemptCard({ attempt: a }: { readonly attempt: Attempt }) {
  return (
    <Card title={`Attempt ${a.number}: ${outcomePhrase(a.reason, a.status_code)} in ${milliseconds(a.duration_ms)}`}>
      <div class="stack">
        <TimelineBar timing={a.timing_ms} />
        {a.request.body !== null && <CodeBlock title="Request body" json text={a.request.body} />}
        {a.response !== null && <CodeBlock title="Response body" json text={a.response.body} />}
      </div>
    </Card>
  );
}
