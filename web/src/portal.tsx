import { useEffect } from "preact/hooks";
import { agentLink } from "./core/agent.ts";
import { go, pathname } from "./core/router.ts";
import { session, signOut } from "./core/session.ts";
import { helpShown } from "./shell/help.tsx";
import { agentEntries, NavLinks } from "./shell/nav.tsx";
import { Brand } from "./shell/brand.tsx";
import { ConnectionBanner, Outlet } from "./shell/outlet.tsx";
import { start } from "./shell/start.tsx";
import { ThemeMenu } from "./shell/theme-menu.tsx";
import { IconButton } from "./ui/index.ts";

const framed = window.parent !== window;

function Portal() {
  const path = pathname.value;
  useEffect(() => {
    if (path === "/") go(agentLink("webhooks"), { replace: true });
  }, [path]);
  return (
    <div class="portal" data-framed={framed || undefined}>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>Skip to the content</a>
      <header class="portal-bar">
        <div class="portal-bar-inner">
          {!framed && <Brand href={agentLink("webhooks")} />}
          <AgentName />
          <nav class="portal-nav" aria-label="Sections"><NavLinks entries={agentEntries()} /></nav>
          <div class="row row-tight push">
            {!framed && <ThemeMenu />}
            <IconButton icon="keyboard" label="Keyboard" onClick={() => { helpShown.value = true; }} />
            {!framed && <IconButton icon="signOut" label="Sign out" onClick={() => void signOut()} />}
          </div>
        </div>
      </header>
      <ConnectionBanner />
      <main class="content" id="content" tabIndex={-1}>{path === "/" ? null : <Outlet />}</main>
    </div>
  );
}

/** Whose webhooks these are. */
function AgentName() {
  const now = session.value;
  const name = now?.agent_name || now?.agent_id;
  if (!name) return null;
  return <span class="portal-agent truncate" title={now?.agent_id ?? undefined}><span class="visually-hidden">Agent </span>{name}</span>;
}

start("portal", Portal);
