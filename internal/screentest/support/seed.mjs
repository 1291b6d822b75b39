// Fills a server as life does: agents, webhooks in every state and deliveries
// of every outcome come about by publishing to receivers that behave so.

import { until } from './wait.mjs';

/** The examples of the catalogue, each told by another customer. */
export async function stories(api) {
  const types = (await api.all('/v1/event-types')).filter((t) => t.example && t.name !== 'webhook.test');
  const people = ['Amara Okafor', 'Jonas Lindqvist', 'Mei-Ling Chen', 'Diego Fernández', 'Priya Raghunathan', 'Chloé Dubois', 'Yuki Tanaka'];
  const numbered = { name: (i) => people[i % people.length], conversation_id: (i) => `conv_${(i * 7919 + 10_007).toString(36)}`, contact_id: (i) => `cus_${10_000 + ((i * 389) % 90_000)}` };
  return (i) => {
    const { name: event, example } = types[i % types.length];
    const data = { ...example };
    for (const [key, value] of Object.entries(numbered)) if (key in data) data[key] = value(i);
    return { event, data };
  };
}

/** So many events for one agent, of all types. */
export async function publishMany(api, agent, count) {
  const story = await stories(api);
  await api.publishAll(Array.from({ length: count }, (_, i) => ({ agent_id: agent, ...story(i) })));
}

const error500 = { status: 500, headers: { 'content-type': 'application/json' }, body: '{"error":"relation \\"tickets\\" does not exist","trace_id":"8f3c21"}' };
const error503 = { status: 503, headers: { 'content-type': 'text/html', 'retry-after': '120' }, body: '<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>' };
const accepted = { status: 200, headers: { 'content-type': 'application/json' }, body: '{"received":true}' };

/**
 * Three agents: one with a webhook in every state and deliveries of every
 * outcome, one that works, one that is new.
 * @param {import('./api.mjs').Api} api
 * @param {import('./receiver.mjs').Receiver} receiver
 */
export async function seed(api, receiver) {
  const busy = 'harbour-dental';
  await api.agent({ id: busy, name: 'Harbour Dental' });
  await api.agent({ id: 'padaria-aurora', name: 'Padaria Aurora', profile: 'chatislav' });
  await api.agent({ id: 'spoke-and-chain', name: 'Spoke & Chain', profile: 'chatzuri' });

  const patient = { schedule_seconds: [600, 3600, 7200] };
  const once = { schedule_seconds: [] };
  const refused = receiver.host.replace(/:.*/, ':9'); // the discard port, where nobody listens
  const at = (path, answer) => receiver.hook(path, answer).url;
  const webhooks = {
    crm: { url: at('/crm/leads', accepted), description: 'Leads into the CRM', events: ['lead.submit', 'conversation.summary', 'feedback.submitted'], generate_secret: true },
    everything: { url: at('/warehouse/ingest', accepted), description: 'Data warehouse', events: ['*'], generate_secret: true, headers: [{ name: 'Authorization', value: 'Bearer warehouse-token' }] },
    failing: { url: at('/tickets', error500), description: 'Opens a ticket for each escalation', events: ['escalation.triggered', 'message.received'], retry: patient, generate_secret: true },
    busy: { url: at('/analytics/v2/collect', error503), events: ['conversation.started', 'conversation.ended'], retry: patient },
    missing: { url: at('/old/path', { status: 404, body: 'Cannot POST /old/path' }), events: ['feedback.submitted'], profile: 'chatislav' },
    gone: { url: at('/retired', { status: 410, body: 'gone for good' }), description: 'Retired chat archive', events: ['message.sent'], profile: 'standard', generate_secret: true },
    refused: { url: `http://${refused}/hooks`, events: ['escalation.triggered'], retry: once },
    slow: { url: at('/slow', 'hang'), events: ['lead.submit'], timeout_seconds: 1, retry: once },
    dropping: { url: at('/dropping', 'drop'), events: ['lead.submit'], retry: once },
    paused: { url: at('/paused', accepted), description: 'Moves to a new host this week', events: ['lead.submit', 'message.sent'] },
    disabled: { url: 'https://staging.harbour-dental.example/hooks', description: 'Staging', events: ['*'], enabled: false },
    silent: { url: 'https://crm.harbour-dental.example/hooks/a/rather/long/path/that/goes/on/and/on?source=waybell&environment=production', events: [] },
  };
  const endpoints = {};
  for (const [name, input] of Object.entries(webhooks)) endpoints[name] = await api.endpoint(busy, input);
  await api.post(`/v1/agents/${busy}/endpoints/${endpoints.paused.id}/pause`);
  await publishMany(api, busy, 96);
  await until('everything was tried once', async () => {
    const ledger = await api.ledger(busy);
    return ledger.pending === 0 && (await api.get(`/v1/agents/${busy}/endpoints/${endpoints.gone.id}`)).state === 'suspended';
  });

  endpoints.bakery = await api.endpoint('padaria-aurora', { url: at('/aurora', accepted), events: ['*'], generate_secret: true });
  await publishMany(api, 'padaria-aurora', 24);
  await api.settled('padaria-aurora');
  return { busy, calm: 'padaria-aurora', fresh: 'spoke-and-chain', endpoints };
}
