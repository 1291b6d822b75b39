import { Badge, Card, CodeBlock } from "../../ui/index.ts";
import { originSettings } from "./snippets.ts";

/** Which pages may embed the portal, and how that is changed. */
export function Origins({ origins }: { readonly origins: readonly string[] }) {
  return (
    <Card title="Pages that may embed the portal" lead="Browsers show it inside no other page. It is a setting of the server, so that nobody can change it in a browser.">
      <div class="split">
        <div class="stack stack-s">
          {origins.length === 0
            ? <p><Badge tone="warn" icon="warning">None yet</Badge> The portal opens from a link, but cannot be embedded.</p>
            : <ul class="stack stack-s">{origins.map((o) => <li key={o} class="row"><Badge tone="good" icon="ok">Allowed</Badge><code class="anywhere">{o}</code></li>)}</ul>}
          <p class="muted">To change it, set <code>portal-origins</code> in one of these ways and start the server again. Each entry is scheme, host and port, without a path.</p>
        </div>
        <CodeBlock title="Setting" text={originSettings(origins)} />
      </div>
    </Card>
  );
}
