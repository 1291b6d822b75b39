// A webhook that is in trouble, or must rest for a while, or gets a new secret.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { verifies } from '../support/receiver.mjs';
import { goto, suite } from '../support/suite.mjs';
import { eventually, until } from '../support/wait.mjs';

const s = suite();
const lead = (n) => ({ event: 'lead.submit', data: { name: `Lead ${n}`, email: `lead${n}@example.com` } });

async function publish(agent, count, from = 1) {
  await s.api.publishAll(Array.from({ length: count }, (_, i) => ({ agent_id: agent, ...lead(from + i) })));
}

s.journey('a failing webhook is diagnosed, mended and sent everything again', async (visit) => {
  const { id } = await s.api.agent({ id: 'repair', name: 'Repair' });
  const broken = s.receiver.hook('/orders', { status: 500, headers: { 'content-type': 'application/json' }, body: '{"error":"database is locked"}' });
  const other = s.receiver.hook('/other', { status: 404, body: 'no such route' });
  const hook = await s.api.endpoint(id, { url: broken.url, retry: { schedule_seconds: [] } });
  await s.api.endpoint(id, { url: other.url, retry: { schedule_seconds: [] } });
  await publish(id, 7);
  await s.api.settled(id);
  assert.equal((await s.api.ledger(id)).failed, 14);

  const page = await s.portal(await visit(), id);
  const row = page.getByRole('row').filter({ hasText: '/orders' });
  await see(row, 'Failing');
  await see(row, 'HTTP 500, 7 failures in a row');
  await row.getByRole('link', { name: /orders/ }).click();

  // The reason in words, with a cause and a remedy.
  await page.getByRole('heading', { level: 1, name: /orders/ }).waitFor();
  await see(page, /^The receiver .*500/);
  await see(page, 'What to do:');
  await see(page, 'The last 7 attempts failed');
  await page.getByRole('link', { name: 'See what failed' }).click();
  await see(page, '7 deliveries');
  await page.getByRole('link', { name: /^Failed/ }).first().click();
  const drawer = page.getByRole('dialog');
  await see(drawer, 'lead.submit');
  await see(drawer, '"database is locked"');
  await see(drawer, 'Attempt 1');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });

  // The receiver is mended; what failed is sent again, and nothing else.
  broken.mend();
  await page.getByRole('button', { name: 'Re-send all…' }).click();
  await page.getByRole('heading', { name: 'Re-send 7 deliveries?' }).waitFor();
  await page.getByRole('button', { name: 'Re-send 7 deliveries' }).click();
  await see(page, '7 deliveries are on the way again.');
  await page.getByRole('button', { name: 'Close' }).last().click();
  await broken.received(14);
  await s.api.settled(id);
  const ledger = await s.api.ledger(id);
  assert.deepEqual([ledger.delivered, ledger.failed], [7, 7]);
  assert.equal(other.requests.length, 7, 'the other webhook was sent something again');

  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await until('the webhook is well again', async () => (await page.getByRole('heading', { level: 1 }).innerText()).includes('Active'));
  assert.equal((await s.api.get(`/v1/agents/${id}/endpoints/${hook.id}`)).state, 'active');
});

s.journey('some deliveries are selected and sent again, with an exact count', async (visit) => {
  const { id } = await s.api.agent({ id: 'select', name: 'Select' });
  const hook = s.receiver.hook('/select', { status: 503, body: '' });
  await s.api.endpoint(id, { url: hook.url, retry: { schedule_seconds: [] } });
  await publish(id, 5);
  await s.api.settled(id);
  hook.mend();

  const page = await s.portal(await visit(), id, '/deliveries?state=failed');
  await see(page, '5 deliveries');
  const boxes = page.getByRole('checkbox', { name: /^Select lead.submit/ });
  for (const i of [0, 2, 3]) await boxes.nth(i).check({ force: true }); // its label is larger, and over it
  await see(page, '3 selected');
  await page.getByRole('button', { name: 'Re-send…' }).click();
  await page.getByRole('button', { name: 'Re-send 3 deliveries' }).click();
  await see(page, '3 deliveries are on the way again.');
  await page.getByRole('button', { name: 'Close' }).last().click();
  await hook.received(8);
  await s.api.settled(id);
  assert.equal(hook.requests.length, 8);
  // The rows stay where they are and show how it ended.
  for (const [state, count] of [[/^Delivered/, 3], [/^Failed/, 2]]) {
    await until(`${count} rows are ${state}`, async () => (await page.getByRole('listitem').getByRole('link', { name: state }).count()) === count);
  }
});

s.journey('a paused webhook holds what is published and sends it when it is resumed', async (visit) => {
  const { id } = await s.api.agent({ id: 'pause', name: 'Pause' });
  const hook = s.receiver.hook('/pause');
  const endpoint = await s.api.endpoint(id, { url: hook.url });
  const page = await s.portal(await visit(), id);
  const row = page.getByRole('row').filter({ hasText: '/pause' });
  await row.getByRole('button', { name: /^Actions for 127\.0\.0\.1:\d+\/pause$/ }).click();
  await page.getByRole('menuitem', { name: 'Pause' }).click();
  await see(row, 'Paused');

  await publish(id, 4);
  await until('all are held', async () => (await s.api.ledger(id)).held === 4);
  assert.equal(hook.requests.length, 0);
  await goto(page, '/deliveries');
  await see(page, '4 deliveries');
  assert.equal(await page.getByRole('link', { name: /^Held/ }).count(), 4);

  await goto(page, `/webhooks/${endpoint.id}`);
  await see(page, /^4 deliveries are held/);
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await page.getByRole('radio', { name: 'Send the 4 held deliveries' }).check();
  await page.getByRole('button', { name: 'Resume and send 4' }).click();
  await until('it is active', async () => (await page.getByRole('heading', { level: 1 }).innerText()).includes('Active'));
  await hook.received(4);
  await s.api.settled(id);
  assert.deepEqual(hook.requests.map((r) => JSON.parse(r.body).data.name).sort(), ['Lead 1', 'Lead 2', 'Lead 3', 'Lead 4']);
  await page.getByRole('link', { name: 'Deliveries' }).filter({ visible: true }).last().click();
  await eventually(async () => assert.equal(await page.getByRole('link', { name: /^Delivered/ }).count(), 4));
});

s.journey('held deliveries can be canceled instead', async (visit) => {
  const { id } = await s.api.agent({ id: 'cancel', name: 'Cancel' });
  const hook = s.receiver.hook('/cancel');
  const endpoint = await s.api.endpoint(id, { url: hook.url });
  await s.api.post(`/v1/agents/${id}/endpoints/${endpoint.id}/pause`);
  await publish(id, 2);
  const page = await s.portal(await visit(), id);
  const row = page.getByRole('row').filter({ hasText: '/cancel' });
  await row.getByRole('button', { name: /^Actions for/ }).click();
  await page.getByRole('menuitem', { name: 'Resume…' }).click();
  await see(page, '2 deliveries are held. What should become of them?');
  await page.getByRole('radio', { name: 'Cancel' }).check();
  await page.getByRole('button', { name: 'Resume and cancel 2' }).click();
  await see(row, 'Active');
  await until('both are canceled', async () => (await s.api.ledger(id)).canceled === 2);
  await publish(id, 1, 3);
  await hook.received(1);
  assert.equal(JSON.parse(hook.requests[0].body).data.name, 'Lead 3');
});

s.journey('a secret is rotated while both are accepted, and then at once', async (visit) => {
  const { id } = await s.api.agent({ id: 'rotate', name: 'Rotate' });
  const hook = s.receiver.hook('/rotate');
  const endpoint = await s.api.endpoint(id, { url: hook.url, generate_secret: true });
  const old = endpoint.secret;
  assert.match(old, /^whsec_/);
  const page = await s.portal(await visit(), id, `/webhooks/${endpoint.id}/security`);
  const shown = async () => (await page.getByRole('group', { name: 'New secret' }).locator('code').first().innerText()).trim();

  await page.getByRole('button', { name: 'Reveal' }).click();
  assert.equal((await page.getByRole('group', { name: 'Secret', exact: true }).locator('code').first().innerText()).trim(), old);
  await page.getByRole('button', { name: 'Hide', exact: true }).click();

  await page.getByRole('button', { name: 'Rotate…' }).click();
  await page.getByLabel('The old secret stops signing').selectOption({ label: 'After 24 hours' });
  await page.getByRole('button', { name: 'Rotate secret' }).click();
  const fresh = await until('the new secret is shown', shown);
  assert.match(fresh, /^whsec_/);
  assert.notEqual(fresh, old);
  await see(page, /^The old secret signs, too, for another/);
  await publish(id, 1);
  const [both] = await hook.received(1);
  assert(verifies(both, old), 'a receiver with the old secret refuses it');
  assert(verifies(both, fresh), 'a receiver with the new secret refuses it');

  await page.getByRole('button', { name: 'Rotate…' }).click();
  await page.getByLabel('The old secret stops signing').selectOption({ label: 'At once' });
  await page.getByRole('button', { name: 'Rotate secret' }).click();
  const last = await until('the third secret is shown', async () => {
    const text = await shown();
    return text !== fresh && text;
  });
  await publish(id, 1, 2);
  const [, one] = await hook.received(2);
  assert(verifies(one, last), 'a receiver with the newest secret refuses it');
  assert(!verifies(one, fresh) && !verifies(one, old), 'an old secret still signs');
});
