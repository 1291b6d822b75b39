// A platform's settings page with the portal in it: Node.js, no packages.
//
//   WAYBELL_URL=http://127.0.0.1:8080 WAYBELL_API_KEY=… AGENT_ID=agent_42 node server.mjs
//
// Waybell must be started with --portal-origins http://localhost:3000.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";

const waybell = new URL(process.env.WAYBELL_URL ?? "http://127.0.0.1:8080");
const apiKey = process.env.WAYBELL_API_KEY;
const port = Number(process.env.PORT ?? 3000);
if (!apiKey) {
  console.error("WAYBELL_API_KEY is not set");
  process.exit(2);
}

// In a real platform: the agent of the user who is signed in, and only if that
// user may manage its webhooks. Never take it from the request alone.
const agentOf = (_request) => process.env.AGENT_ID ?? "agent_42";

// The API key stays on this server; the browser only ever gets a link that
// works once, for a minute.
async function newSession(request) {
  const answer = await fetch(new URL(`v1/agents/${encodeURIComponent(agentOf(request))}/portal-sessions`, `${waybell.href.replace(/\/?$/, "/")}`), {
    method: "POST",
    headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" },
    body: JSON.stringify({ capabilities: ["view", "view_secrets", "manage_secrets", "manage_endpoints", "resend"], ttl_seconds: 900 }),
  });
  if (!answer.ok) throw new Error(`Waybell answered ${answer.status}: ${await answer.text()}`);
  const { url } = await answer.json();
  return { url };
}

// Links are made for this page alone: another site's page could have the reader's
// browser ask for so many that the agent's sessions are used up. Browsers tell who
// asks, and pages cannot change it.
const fromOwnPage = (request) => (request.headers["sec-fetch-site"] ?? "same-origin") === "same-origin";

// Strict: this page runs its own files and embed.js, and frames Waybell only.
const policy = `default-src 'none'; style-src 'self'; script-src 'self' ${waybell.origin}; connect-src 'self'; frame-src ${waybell.origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const files = { "/": ["page.html", "text/html; charset=utf-8"], "/page.js": ["page.js", "text/javascript; charset=utf-8"], "/page.css": ["page.css", "text/css; charset=utf-8"] };

createServer(async (request, response) => {
  const path = new URL(request.url, "http://localhost").pathname;
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Cache-Control", "no-store");
  try {
    if (request.method === "GET" && path === "/waybell-session" && fromOwnPage(request)) {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(await newSession(request)));
    } else if (request.method === "GET" && Object.hasOwn(files, path)) {
      const [name, type] = files[path];
      const text = await readFile(new URL(name, import.meta.url), "utf8");
      response.setHeader("Content-Type", type);
      response.setHeader("Content-Security-Policy", policy);
      response.end(text.replaceAll("{{waybell}}", waybell.href.replace(/\/$/, "")));
    } else {
      response.statusCode = 404;
      response.end("not found");
    }
  } catch (error) {
    console.error(error.message);
    response.statusCode = 502;
    response.end("the portal is not available now");
  }
}).listen(port, "localhost", () => console.log(`http://localhost:${port}`));
