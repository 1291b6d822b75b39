import { agentLink } from "../core/agent.ts";
import { link, pathname } from "../core/router.ts";
import { findRoute, type Section } from "../routes.ts";
import { Icon } from "../ui/icon.tsx";
import type { IconName } from "../ui/icons.ts";

interface Entry {
  readonly section: Section;
  readonly label: string;
  readonly icon: IconName;
  readonly href: string;
}

export function agentEntries(): readonly Entry[] {
  return [
    { section: "webhooks", label: "Webhooks", icon: "webhook", href: agentLink("webhooks") },
    { section: "deliveries", label: "Deliveries", icon: "deliveries", href: agentLink("deliveries") },
    { section: "live", label: "Live", icon: "live", href: agentLink("live") },
    { section: "catalogue", label: "Event catalogue", icon: "events", href: agentLink("catalogue") },
    { section: "inbox", label: "Inbox", icon: "inbox", href: agentLink("inbox") },
  ];
}

export function operatorEntries(): readonly Entry[] {
  return [
    { section: "overview", label: "Overview", icon: "overview", href: link("/") },
    { section: "agents", label: "Agents", icon: "agents", href: link("/agents") },
    { section: "settings", label: "Settings", icon: "settings", href: link("/settings") },
    { section: "system", label: "System", icon: "system", href: link("/system") },
  ];
}

export function NavLinks({ entries }: { readonly entries: readonly Entry[] }) {
  const section = findRoute(pathname.value)?.route.section;
  return (
    <>
      {entries.map((e) => (
        <a key={e.section} class="nav-link" href={e.href} aria-current={e.section === section ? "page" : undefined}>
          <Icon name={e.icon} />
          {e.label}
        </a>
      ))}
    </>
  );
}
