import { agentLink } from "../../core/agent.ts";
import { eventTypes } from "../../core/client.ts";
import { useLoad } from "../../core/load.ts";
import type { PageProps } from "../../routes.ts";
import { CodeBlock, Load, Page } from "../../ui/index.ts";

export default function EventTypePage({ params }: PageProps) {
  const name = params["name"] ?? "";
  const type = useLoad((signal) => eventTypes.get(name, signal), [name]);
  return (
    <Page title={name} heading={<code>{name}</code>} lead={type.data?.description} crumbs={[{ label: "Event catalogue", href: agentLink("catalogue") }]}>
      <Load of={type}>
        {(t) => (
          <div class="split">
            <CodeBlock title="Example" json tall text={JSON.stringify(t.example)} />
            {t.schema !== null && <CodeBlock title="Schema" json tall text={JSON.stringify(t.schema)} />}
          </div>
        )}
      </Load>
    </Page>
  );
}
