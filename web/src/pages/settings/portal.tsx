import { useState } from "preact/hooks";
import { base, messageOf } from "../../core/api.ts";
import { agents, server, sessions } from "../../core/client.ts";
import { type Resource, useLoad } from "../../core/load.ts";
import { param, setQuery } from "../../core/router.ts";
import type { Agent } from "../../core/types.ts";
import type { Capability, PortalSession, PortalSessionInput, Theme } from "../../core/types-server.ts";
import { Banner, Button, Card, Checkbox, CodeBlock, Field, Load, Segmented, Select } from "../../ui/index.ts";
import { OneAgent } from "./agent-choice.tsx";
import { PortalLink } from "./portal-link.tsx";
import { Origins } from "./origins.tsx";
import { capabilities, lifetimes } from "./scopes.ts";
import { embedSnippet, sessionCall } from "./snippets.ts";

export function PortalTab() {
  const chosen = param("agent");
  const agent = useLoad<Agent | null>(async (signal) => (chosen === "" ? null : agents.get(chosen, signal)), [chosen]);
  const system = useLoad((signal) => server.system(signal), []);
  return (
    <section class="stack" aria-label="Portal">
      <p class="muted">The portal is the same screen for one agent's owner: in a link that you send, or embedded in your own product.</p>
      <LinkMaker of={agent} />
      <Load of={system} lines={3}>{(s) => <Origins origins={s.settings.portal_origins} />}</Load>
    </section>
  );
}

/** What is chosen stays while the agent changes: nobody ticks a right twice to take it away. */
function LinkMaker({ of }: { readonly of: Resource<Agent | null> }) {
  const agent = of.data ?? null;
  const [allowed, setAllowed] = useState<readonly Capability[]>(capabilities.map((c) => c.capability));
  const [ttl, setTtl] = useState(3_600);
  const [theme, setTheme] = useState<Theme>("auto");
  const [link, setLink] = useState<{ readonly session: PortalSession; readonly agent: Agent } | null>(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const input: PortalSessionInput = { capabilities: capabilities.map((c) => c.capability).filter((c) => allowed.includes(c)), ttl_seconds: ttl, theme };
  const make = async (): Promise<void> => {
    if (agent === null) {
      setError("Choose an agent first.");
      return;
    }
    setBusy(true);
    setError("");
    try {
      setLink({ session: await sessions.createPortal(agent.id, input), agent });
    } catch (failure) {
      setError(messageOf(failure));
    }
    setBusy(false);
  };
  return (
    <div class="split">
      <Card title="Make a portal link" foot={<Button kind="primary" icon="link" busy={busy} disabled={of.data === undefined} onClick={() => void make()}>{link === null ? "Make a portal link" : "Make another link"}</Button>}>
        <div class="stack">
          <Load of={of} lines={3}>{(now) => <OneAgent agent={now} onChange={(a) => { setError(""); setLink(null); setQuery({ agent: a?.id ?? null }); }} />}</Load>
          <fieldset class="field">
            <legend class="field-label">Whoever opens it may</legend>
            <div class="stack stack-s">
              {capabilities.map((c) => (
                <Checkbox
                  key={c.capability} label={c.label} hint={c.hint} checked={allowed.includes(c.capability)} disabled={c.capability === "view"}
                  onChecked={(on) => setAllowed(on ? [...allowed, c.capability] : allowed.filter((a) => a !== c.capability))}
                />
              ))}
            </div>
          </fieldset>
          <Field label="Signed in for" hint="Then the page asks for a new link. An embedded portal renews itself.">
            {(c) => <Select {...c} value={String(ttl)} onValue={(v) => setTtl(Number(v))} options={lifetimes.map((l) => ({ value: String(l.seconds), label: l.label }))} />}
          </Field>
          <div class="field">
            <span class="field-label">Theme</span>
            <span><Segmented label="Theme" value={theme} onValue={setTheme} options={[{ value: "auto", label: "Like the system" }, { value: "light", label: "Light" }, { value: "dark", label: "Dark" }]} /></span>
          </div>
          {error !== "" && <Banner tone="bad">{error}</Banner>}
          {link !== null && <PortalLink key={link.session.url} session={link.session} agent={link.agent} />}
        </div>
      </Card>
      <Card title="Embed it in your product" lead="Two pieces: your server makes the link, your page shows it.">
        <div class="stack">
          <CodeBlock title="1. On your server: make a link for who is signed in" text={sessionCall(base.href, agent?.id ?? "agent_42", input)} />
          <p class="muted">Pass the answer on to your own page as it is, at a path such as <code>/my/waybell-session</code>. The key needs what it gives: one with “Everything” will do. Never call this from a browser.</p>
          <CodeBlock title="2. In your page" text={embedSnippet(base.href, theme)} />
          <p class="muted">The page asks your path for a new link by itself, before the session ends.</p>
        </div>
      </Card>
    </div>
  );
}
