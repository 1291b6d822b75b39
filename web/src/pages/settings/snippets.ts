/** What an operator copies to embed the portal. */
import type { PortalSessionInput, Theme } from "../../core/types-server.ts";

/** The call that the platform's server makes for whoever is signed in there. */
export function sessionCall(server: string, agent: string, input: PortalSessionInput): string {
  const body = { ...input, ...(input.theme === "auto" ? { theme: undefined } : {}) };
  return [
    `curl -sS '${server}v1/agents/${encodeURIComponent(agent)}/portal-sessions'`,
    `  -H "Authorization: Bearer $WAYBELL_API_KEY"`,
    `  -H 'Content-Type: application/json'`,
    `  -d '${JSON.stringify(body, null, 2)}'`,
  ].join(" \\\n");
}

export function embedSnippet(server: string, theme: Theme): string {
  const look = theme === "auto" ? "" : ` theme="${theme}"`;
  return `<script src="${server}embed.js"></script>\n<waybell-portal session-url="/my/waybell-session"${look}></waybell-portal>`;
}

/** How the list of origins is set, in each of the three ways. */
export function originSettings(origins: readonly string[]): string {
  const list = origins.length === 0 ? ["https://app.example.com"] : origins;
  return [
    "# the configuration file",
    "portal-origins:",
    ...list.map((o) => `  - ${o}`),
    "",
    "# or the environment",
    `WAYBELL_PORTAL_ORIGINS=${list.join(",")}`,
    "",
    "# or the command line",
    `waybell serve --portal-origins ${list.join(",")}`,
  ].join("\n");
}
