import { useEffect } from "preact/hooks";
import { agentLink } from "./core/agent.ts";
import { go, pathname } from "./core/router.ts";
import { signOut } from "./core/session.ts";
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

start("portal", Portal);
