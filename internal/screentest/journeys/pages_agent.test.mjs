// Every page of an agent, in the console, as all readers see it.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { seed } from '../support/seed.mjs';
import { goto, suite } from '../support/suite.mjs';
import { survey } from '../support/survey.mjs';

const s = suite();

s.journey('an agent\'s pages are accessible in both themes and fit all widths', async (visit) => {
  const { busy, fresh, endpoints } = await seed(s.api, s.receiver);
  const inbox = await s.api.post(`/v1/agents/${busy}/inboxes`, { name: 'Try-outs' });
  await s.api.endpoint(busy, { url: inbox.url, events: ['lead.submit'], generate_secret: true });
  await s.api.publish(busy, { event: 'lead.submit', data: { name: 'Ada' } });
  await fetch(inbox.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"hello":"world"}' });
  const [failed] = await s.api.deliveries(busy, `endpoint_id=${endpoints.failing.id}`);

  const page = await s.console(await visit());
  const found = [];
  const at = `/agents/${busy}`;
  for (const [name, path, text] of [
    ['webhooks', `${at}/webhooks`, 'Opens a ticket for each escalation'],
    ['webhooks-empty', `/agents/${fresh}/webhooks`, 'Set up your first webhook'],
    ['webhooks-filtered-empty', `${at}/webhooks?search=nothing-like-it`, 'No webhook fits these filters'],
    ['webhook-new', `${at}/webhooks/new`, 'webhook-id:'],
    ['webhook-edit', `${at}/webhooks/${endpoints.everything.id}/edit`, 'X-Chat|webhook-id:'],
    ['webhook-failing', `${at}/webhooks/${endpoints.failing.id}`, 'Why attempts failed'],
    ['webhook-suspended', `${at}/webhooks/${endpoints.gone.id}`, 'Sending was stopped'],
    ['webhook-deliveries', `${at}/webhooks/${endpoints.crm.id}/deliveries`, 'lead.submit'],
    ['webhook-testing', `${at}/webhooks/${endpoints.crm.id}/testing`, 'The request'],
    ['webhook-security', `${at}/webhooks/${endpoints.crm.id}/security`, 'Signature checker'],
    ['deliveries', `${at}/deliveries`, 'escalation.triggered'],
    ['deliveries-empty', `/agents/${fresh}/deliveries`, 'Nothing was sent yet'],
    ['deliveries-filtered', `${at}/deliveries?state=failed&status=none`, 'Clear filters'],
    ['delivery', `${at}/deliveries/${failed.id}`, 'Attempt 1'],
    ['catalogue', `${at}/catalogue`, 'escalation.triggered'],
    ['catalogue-event', `${at}/catalogue/lead.submit`, 'lead.submit'],
    ['inbox', `${at}/inbox`, 'Try-outs'],
    ['inbox-empty', `/agents/${fresh}/inbox`, 'No inbox yet'],
    ['inbox-requests', `${at}/inbox/${inbox.id}`, 'From outside'],
    ['live', `${at}/live`, 'Connected'],
  ]) {
    await goto(page, path);
    await see(page, new RegExp(text));
    found.push(...(await survey(page, name)));
  }
  assert.deepEqual(found, []);
});
