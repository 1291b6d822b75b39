// A platform's own settings page: another site than the server, with a strict
// Content-Security-Policy, that embeds the portal with <waybell-portal>.
import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * @param {{ address?: string, waybell: () => string, session: () => Promise<{url: string}> }} options
 *   `address` is a loopback address: another one is another site to the browser. `waybell` is the server's base
 *   URL; `session` is what the platform's server does for session-url.
 */
export async function startHostPage({ address = '127.0.0.2', waybell, session }) {
  let asked = 0;
  const server = createServer(async (request, response) => {
    const base = waybell();
    const origin = new URL(base).origin;
    response.setHeader('Content-Security-Policy',
      `default-src 'none'; script-src 'self' ${origin}; frame-src ${origin}; connect-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'`);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    switch (request.url.split('?')[0]) {
      case '/settings':
        return response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page(base, new URL(request.url, 'http://host').searchParams));
      case '/page.js':
        return response.setHeader('Content-Type', 'text/javascript; charset=utf-8').end(script);
      case '/page.css':
        return response.setHeader('Content-Type', 'text/css; charset=utf-8').end('body { margin: 20px; font-family: serif }');
      case '/waybell-session':
        asked++;
        try {
          return response.setHeader('Content-Type', 'application/json').end(JSON.stringify(await session()));
        } catch (error) {
          return response.writeHead(502).end(String(error));
        }
      default:
        return response.writeHead(404).end();
    }
  });
  server.listen(0, address);
  await once(server, 'listening');
  const origin = `http://${address}:${server.address().port}`;
  return {
    origin,
    url: `${origin}/settings`,
    /** How often the element asked the platform for a session. */
    get asked() {
      return asked;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');

/** `?frame=URL` frames an address without the element, as a hostile page would. */
function page(base, params) {
  const frame = params.get('frame');
  const theme = params.get('theme');
  const inside = frame
    ? `<iframe title="Framed" src="${escape(frame)}" width="900" height="400"></iframe>`
    : `<waybell-portal session-url="/waybell-session"${theme ? ` theme="${escape(theme)}"` : ''}></waybell-portal>`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Settings of a platform</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css"><script src="/page.js"></script>
${frame ? '' : `<script src="${escape(base)}/embed.js"></script>`}</head>
<body><main><h1>Settings</h1>${inside}</main></body></html>`;
}

/** Keeps every message that the page gets, for the test to read. */
const script = `window.heard = [];
window.addEventListener('message', (e) => window.heard.push({ origin: e.origin, data: e.data }));`;
