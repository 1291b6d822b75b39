import { agentLink } from "../../core/agent.ts";
import { base } from "../../core/api.ts";
import { publishCommand } from "../../core/curl.ts";
import { go, link } from "../../core/router.ts";
import type { Agent } from "../../core/types.ts";
import { Card, CodeBlock, toast } from "../../ui/index.ts";
import { AgentForm } from "./form.tsx";

/** What to do on a server that has no agent yet. */
export function FirstSteps({ onCreated }: { readonly onCreated: () => void }) {
  const created = (agent: Agent): void => {
    onCreated();
    toast(`${agent.name} was created. Next: its first webhook.`);
    go(agentLink("webhooks", {}, agent.id));
  };
  return (
    <div class="steps">
      <Card title="1. Create an agent" lead="An agent is whoever events are about: one of your customers, a bot, a workspace. Each has its own webhooks and its own log.">
        <AgentForm onDone={created} action="Create agent" />
      </Card>
      <Card title="2. Give it a webhook" lead="You come to its webhooks right after. No receiver yet? An inbox on this server takes what is sent and shows it.">
        <p class="muted">Whoever owns the agent can do this, too: embed the page for it in your own product, see <a href={link("/settings/portal")}>Portal</a>.</p>
      </Card>
      <Card title="3. Publish its first event" lead="From your platform, with an API key. Every webhook that takes the event gets it.">
        <div class="stack">
          <CodeBlock title="Publish an event" text={publishCommand(base.href, "agent_42", "lead.submit", { name: "Sarah", email: "sarah@example.com" })} />
          <p class="muted">Put the agent's id in the place of <code>agent_42</code>. The event catalogue has this command for every event. An API key comes from <a href={link("/settings/keys")}>Settings, API keys</a>: one that may publish events is enough.</p>
        </div>
      </Card>
    </div>
  );
}
