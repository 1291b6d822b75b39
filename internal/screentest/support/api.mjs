// Calls the public API, as a platform's own programs do.
import { patience, until } from './wait.mjs';

export class ApiError extends Error {
  constructor(call, status, problem) {
    super(`${call} answered ${status}: ${JSON.stringify(problem)}`);
    this.status = status;
    this.code = problem?.code;
    this.problem = problem;
  }
}

export class Api {
  #base;
  #token;

  constructor(base, token) {
    this.#base = base.replace(/\/$/, '');
    this.#token = token;
  }

  /** The same server with another key or token; null for none. */
  as(token) {
    return new Api(this.#base, token);
  }

  async call(method, path, body) {
    const headers = { accept: 'application/json' };
    if (this.#token) headers.authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const answer = await fetch(`${this.#base}${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(patience),
    });
    const text = await answer.text();
    const json = text && /json/.test(answer.headers.get('content-type') ?? '') && !/ndjson/.test(answer.headers.get('content-type'));
    const result = json ? JSON.parse(text) : text;
    if (!answer.ok) throw new ApiError(`${method} ${path}`, answer.status, result);
    return result;
  }

  get = (path) => this.call('GET', path);
  post = (path, body) => this.call('POST', path, body);
  patch = (path, body) => this.call('PATCH', path, body);
  put = (path, body) => this.call('PUT', path, body);
  delete = (path) => this.call('DELETE', path);

  /** All rows of a list. */
  async all(path) {
    const rows = [];
    for (let cursor = ''; ; ) {
      const page = await this.get(`${path}${path.includes('?') ? '&' : '?'}limit=250${cursor && `&cursor=${cursor}`}`);
      rows.push(...page.data);
      if (!page.next_cursor) return rows;
      cursor = page.next_cursor;
    }
  }

  agent = (input) => this.post('/v1/agents', input);
  endpoint = (agent, input) => this.post(`/v1/agents/${agent}/endpoints`, { events: ['*'], ...input });
  publish = (agent, event) => this.post(`/v1/agents/${agent}/events`, event);
  deliveries = (agent, query = '') => this.all(`/v1/agents/${agent}/deliveries${query && `?${query}`}`);
  ledger = (agent) => this.get(`/v1/agents/${agent}/ledger`);
  consoleLink = async (input = {}) => (await this.post('/v1/console-sessions', input)).url;
  portalLink = async (agent, input = {}) => (await this.post(`/v1/agents/${agent}/portal-sessions`, input)).url;

  /** Publishes many events, in as few calls as they fit into. Items are {agent_id, event, data, …}. */
  async publishAll(events) {
    for (let at = 0; at < events.length; at += 1000) {
      const { data } = await this.post('/v1/events', { events: events.slice(at, at + 1000) });
      const refused = data.find((item) => item.status !== 202);
      if (refused) throw new Error(`an event was refused: ${JSON.stringify(refused)}`);
    }
  }

  /** Waits until no delivery of the agent waits for an attempt; held ones may. */
  settled = (agent) =>
    until(`all deliveries of ${agent} are settled`, async () => {
      const ledger = await this.ledger(agent);
      return ledger.pending + ledger.retrying === 0 && ledger;
    });
}
