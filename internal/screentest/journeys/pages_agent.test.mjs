// Every page of an agent, in the console, as all readers see it.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { seed } from '../support/seed.mjs';
import { goto, suite } from '../support/suite.mjs';
import { everyView, survey, twoViews } from '../support/survey.mjs';

const s = suite();

let seeded;

/** An agent with everything, and one with nothing yet. */
async function filled() {
  if (seeded !== undefined) return seeded;
  const { busy, fresh, endpoints } = await seed(s.api, s.receiver);
  const inbox = await s.api.post(`/v1/agents/${busy}/inboxes`, { name: 'Try-outs' });
  await s.api.endpoint(busy, { url: inbox.url, events: ['lead.submit'], generate_secret: true });
  await s.api.publish(busy, { event: 'lead.submit', data: { name: 'Ada' } });
  await fetch(inbox.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"hello":"world"}' });
  const [failed] = await s.api.deliveries(busy, `endpoint_id=${endpoints.failing.id}`);
  seeded = { at: `/agents/${busy}`, empty: `/agents/${fresh}`, endpoints, inbox, failed };
  return seeded;
}

/** Goes to pages, each known by a text, and gives what is wrong with them. */
async function surveyed(visit, pages) {
  const page = await s.console(await visit());
  const found = [];
  for (const [name, path, text] of pages) {
    await goto(page, path);
    await see(page, text);
    found.push(...(await survey(page, name, /empty|filtered/.test(name) ? twoViews : everyView)));
  }
  return found;
}

s.journey('the lists of webhooks, and their form, are accessible in both themes and fit all widths', async (visit) => {
  const { at, empty, endpoints } = await filled();
  assert.deepEqual(await surveyed(visit, [
    ['webhooks', `${at}/webhooks`, 'Opens a ticket for each escalation'],
    ['webhooks-empty', `${empty}/webhooks`, 'Set up your first webhook'],
    ['webhooks-filtered-empty', `${at}/webhooks?search=nothing-like-it`, 'No webhook fits these filters'],
    ['webhook-new', `${at}/webhooks/new`, 'webhook-id:'],
    ['webhook-edit', `${at}/webhooks/${endpoints.everything.id}/edit`, 'webhook-id:'],
  ]), []);
});

s.journey('a webhook\'s own pages are accessible in both themes and fit all widths', async (visit) => {
  const { at, endpoints } = await filled();
  assert.deepEqual(await surveyed(visit, [
    ['webhook-failing', `${at}/webhooks/${endpoints.failing.id}`, 'Why attempts failed'],
    ['webhook-suspended', `${at}/webhooks/${endpoints.gone.id}`, 'Sending was stopped'],
    ['webhook-deliveries', `${at}/webhooks/${endpoints.crm.id}/deliveries`, 'lead.submit'],
    ['webhook-testing', `${at}/webhooks/${endpoints.crm.id}/testing`, 'The request'],
    ['webhook-security', `${at}/webhooks/${endpoints.crm.id}/security`, 'Signature checker'],
  ]), []);
});

s.journey('the delivery log is accessible in both themes and fits all widths', async (visit) => {
  const { at, empty, failed } = await filled();
  assert.deepEqual(await surveyed(visit, [
    ['deliveries', `${at}/deliveries`, 'escalation.triggered'],
    ['deliveries-empty', `${empty}/deliveries`, 'Nothing was sent yet'],
    ['deliveries-filtered', `${at}/deliveries?state=failed&status=none`, 'Clear filters'],
    ['delivery', `${at}/deliveries/${failed.id}`, 'Attempt 1'],
    ['live', `${at}/live`, 'Connected'],
  ]), []);
});

s.journey('catalogue and inbox are accessible in both themes and fit all widths', async (visit) => {
  const { at, empty, inbox } = await filled();
  assert.deepEqual(await surveyed(visit, [
    ['catalogue', `${at}/catalogue`, 'escalation.triggered'],
    ['catalogue-event', `${at}/catalogue/lead.submit`, 'lead.submit'],
    ['inbox', `${at}/inbox`, 'Try-outs'],
    ['inbox-empty', `${empty}/inbox`, 'No inbox yet'],
    ['inbox-requests', `${at}/inbox/${inbox.id}`, 'From outside'],
  ]), []);
});
