import { link } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import type { PageProps } from "../../routes.ts";
import { Empty, Page, Tabs } from "../../ui/index.ts";
import { OperatorOnly } from "../system/operator-only.tsx";
import { BrandingTab } from "./branding.tsx";
import { KeysTab } from "./keys.tsx";
import { PortalTab } from "./portal.tsx";

const tabs = [
  { id: "keys", label: "API keys" },
  { id: "portal", label: "Portal" },
  { id: "branding", label: "Branding" },
] as const;

export default function Settings({ params }: PageProps) {
  const tab = params["tab"] ?? "keys";
  if (!can("admin")) return <OperatorOnly title="Settings" />;
  return (
    <Page title="Settings" lead="What programs may do, how owners get in, and how it looks.">
      <Tabs label="Settings" tabs={tabs.map((t) => ({ label: t.label, href: link(`/settings/${t.id}`), current: t.id === tab }))} />
      {tab === "keys" && <KeysTab />}
      {tab === "portal" && <PortalTab />}
      {tab === "branding" && <BrandingTab />}
      {!tabs.some((t) => t.id === tab) && <Empty icon="question" title="There is no such page">Choose one of the pages above.</Empty>}
    </Page>
  );
}
