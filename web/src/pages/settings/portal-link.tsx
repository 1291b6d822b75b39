import { second } from "../../core/clock.ts";
import { count, duration } from "../../core/format.ts";
import type { Agent } from "../../core/types.ts";
import type { PortalSession } from "../../core/types-server.ts";
import { Banner, ButtonLink, CopyButton } from "../../ui/index.ts";

/** A fresh link, with the time that is left to open it. */
export function PortalLink({ session, agent }: { readonly session: PortalSession; readonly agent: Agent }) {
  const left = Math.ceil((Date.parse(session.expires_at) - second.value) / 1_000);
  if (left <= 0) {
    return <Banner tone="warn" title="This link has run out">A link can be opened once, within a minute. Make another one.</Banner>;
  }
  return (
    <div class="portal-link stack stack-s">
      <strong>Portal of {agent.name}</strong>
      <code class="anywhere">{session.url}</code>
      <div class="row">
        <CopyButton text={session.url} label="Copy link" small={false} />
        <ButtonLink icon="external" href={session.url} target="_blank" rel="noopener">Open in a new tab</ButtonLink>
      </div>
      <p class="muted" role="timer">Opens once, within {count(left, "second")}. Whoever opens it is signed in for {duration(session.ttl_seconds)}.</p>
    </div>
  );
}
