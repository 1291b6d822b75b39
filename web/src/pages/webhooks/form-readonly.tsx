import { agentLink } from "../../core/agent.ts";
import { webhookState, webhookStates } from "../../core/state.ts";
import type { Endpoint } from "../../core/types.ts";
import { Banner, ButtonLink, Card, CopyText, Empty, KeyValue, State } from "../../ui/index.ts";
import { RetryLine } from "./form-retry.tsx";

/** The settings for those who may look but not change. */
export function ReadOnlyForm({ endpoint: e }: { readonly endpoint: Endpoint | undefined }) {
  if (e === undefined) {
    return (
      <Empty icon="lock" title="You may not make webhooks" action={<ButtonLink href={agentLink("webhooks")}>Show the webhooks</ButtonLink>}>
        Your link lets you look at webhooks only. Ask whoever runs this service for a link that lets you make and change them.
      </Empty>
    );
  }
  return (
    <div class="stack">
      <Banner tone="info" title="You may look at this webhook, but not change it">Ask whoever runs this service for a link that lets you change webhooks.</Banner>
      <Card title="Settings">
        <KeyValue
          facts={[
            { name: "URL", value: <CopyText text={e.url} label="URL" /> },
            e.description === "" ? null : { name: "Description", value: e.description },
            { name: "State", value: <State info={webhookStates[webhookState(e)]} /> },
            { name: "Events", value: e.events[0] === "*" ? "All events, now and later" : e.events.length === 0 ? "None" : e.events.join(", ") },
            { name: "Profile", value: e.profile },
            { name: "Method", value: e.method },
            { name: "Timeout", value: `${e.timeout_seconds} seconds` },
            { name: "Signed", value: e.signed ? "Yes, a secret is set" : "No secret is set" },
            { name: "Custom headers", value: e.headers.length === 0 ? "None" : e.headers.map((h) => h.name).join(", ") },
            { name: "Retries", value: <RetryLine retry={e.retry} /> },
          ]}
        />
      </Card>
    </div>
  );
}
