import { useEffect, useState } from "preact/hooks";
import { agentId } from "./core/agent.ts";
import { link, pathname } from "./core/router.ts";
import { can, session, signOut } from "./core/session.ts";
import { AgentSwitcher } from "./shell/agent-switcher.tsx";
import { Brand } from "./shell/brand.tsx";
import { helpShown } from "./shell/help.tsx";
import { agentEntries, NavLinks, operatorEntries } from "./shell/nav.tsx";
import { ConnectionBanner, Outlet } from "./shell/outlet.tsx";
import { start } from "./shell/start.tsx";
import { ThemeMenu } from "./shell/theme-menu.tsx";
import { Dialog, IconButton } from "./ui/index.ts";

function Sidebar({ onFollow }: { /** A link was followed, even to this very page. */ readonly onFollow?: () => void }) {
  const clicked = (event: MouseEvent): void => {
    if ((event.target as Element).closest("a") !== null) onFollow?.();
  };
  return (
    <aside class="sidebar" aria-label="Navigation" onClick={clicked}>
      <Brand href={link("/")} />
      {can("admin") && <nav class="nav" aria-label="Operator"><NavLinks entries={operatorEntries()} /></nav>}
      <div class="nav">
        <span class="nav-title">Agent</span>
        <AgentSwitcher />
      </div>
      {agentId.value !== null && <nav class="nav" aria-label="Agent"><NavLinks entries={agentEntries()} /></nav>}
      <div class="sidebar-foot">
        <div class="row">
          <ThemeMenu />
          <IconButton icon="keyboard" label="Keyboard" onClick={() => { helpShown.value = true; }} />
          <IconButton icon="signOut" label="Sign out" onClick={() => void signOut()} />
          <span class="small muted push">{session.value?.server.version}</span>
        </div>
      </div>
    </aside>
  );
}

function Console() {
  const [menu, setMenu] = useState(false);
  const path = pathname.value;
  useEffect(() => setMenu(false), [path]);
  return (
    <div class="app">
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>Skip to the content</a>
      <Sidebar />
      <header class="topbar">
        <IconButton icon="menu" label="Menu" aria-expanded={menu} onClick={() => setMenu(true)} />
        <Brand href={link("/")} />
      </header>
      {menu && <Dialog title="Menu" hideTitle drawer="start" onClose={() => setMenu(false)}><Sidebar onFollow={() => setMenu(false)} /></Dialog>}
      <div class="main">
        <ConnectionBanner />
        <main class="content" id="content" tabIndex={-1}><Outlet /></main>
      </div>
    </div>
  );
}

start("console", Console);
