// A proxy that serves everything below a path of its own and strips it.
import { once } from 'node:events';
import { createServer, request } from 'node:http';

/** @param {string} prefix such as "/apps/hooks" @param {() => string} target the server's URL, asked at each request */
export async function startProxy(prefix, target) {
  const outside = [];
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith(`${prefix}/`)) {
      outside.push(incoming.url);
      return outgoing.writeHead(404).end('not below the prefix');
    }
    const upstream = request(target() + incoming.url.slice(prefix.length), { method: incoming.method, headers: incoming.headers });
    upstream.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    upstream.on('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()));
    outgoing.on('close', () => upstream.destroy());
    incoming.pipe(upstream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    url: origin + prefix,
    /** Paths that were asked for although they are not below the prefix. */
    outside,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
