// The customer's side: an HTTP server with many addresses, each of which
// answers as it is told and remembers what it got.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { until } from './wait.mjs';

/**
 * One address. What it answers is a status, or {status, headers, body}, or a
 * function of the request that gives one of these, "hang" or "drop".
 */
class Hook {
  #held = new Set();
  requests = [];

  constructor(url, answer) {
    this.url = url;
    this.answer = answer;
  }

  /** Answers 200 from now on, also to those that it let hang. */
  mend() {
    this.answer = 200;
    for (const response of this.#held) response.writeHead(200).end();
    this.#held.clear();
  }

  /** Waits until so many requests have come, and gives them. */
  async received(count) {
    await until(`${this.url} got ${count} requests`, () => this.requests.length >= count);
    return this.requests;
  }

  take(request, response) {
    this.requests.push(request);
    const told = typeof this.answer === 'function' ? this.answer(request, this.requests.length) : this.answer;
    if (told === 'drop') return response.socket.destroy();
    if (told === 'hang') return this.#held.add(response);
    const { status, headers = {}, body = '' } = typeof told === 'number' ? { status: told } : told;
    response.writeHead(status, headers).end(body);
  }
}

export class Receiver {
  #server;
  #hooks = new Map();

  static async start() {
    const receiver = new Receiver();
    receiver.#server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const hook = receiver.#hooks.get(request.url.split('?')[0]);
      if (!hook) return response.writeHead(404).end('no such hook');
      const body = Buffer.concat(chunks);
      hook.take({ method: request.method, url: request.url, headers: request.headers, raw: body, body: body.toString() }, response);
    });
    receiver.#server.on('clientError', (_, socket) => socket.destroy());
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    receiver.host = `127.0.0.1:${receiver.#server.address().port}`;
    receiver.url = `http://${receiver.host}`;
    return receiver;
  }

  /** A new address; the same path again is the same address with a new answer. */
  hook(path, answer = 200) {
    const hook = this.#hooks.get(path) ?? new Hook(this.url + path, answer);
    hook.answer = answer;
    this.#hooks.set(path, hook);
    return hook;
  }

  async close() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Whether a request carries a Standard Webhooks signature made with the secret. */
export function verifies(request, secret) {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': list = '' } = request.headers;
  const mine = createHmac('sha256', key).update(`${id}.${at}.`).update(request.raw).digest();
  return list.split(' ').some((signature) => {
    const theirs = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return signature.startsWith('v1,') && theirs.length === mine.length && timingSafeEqual(theirs, mine);
  });
}
