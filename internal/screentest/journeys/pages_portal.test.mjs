// The portal's pages, forms with errors, and pages that could not be loaded.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { seed } from '../support/seed.mjs';
import { answered, goto, intercept, suite } from '../support/suite.mjs';
import { survey, twoViews } from '../support/survey.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
let seeded;
const filled = async () => (seeded ??= await seed(s.api, s.receiver));

s.journey('the portal is accessible in both themes and fits all widths', async (visit) => {
  const { busy, calm, endpoints } = await filled();
  const found = [];
  const visitor = await visit();
  const page = await s.portal(visitor, calm);
  for (const [name, path, text] of [
    ['portal-webhooks', '/webhooks', '/aurora'],
    ['portal-webhook', `/webhooks/${endpoints.bakery.id}`, 'Why attempts failed'],
    ['portal-deliveries', '/deliveries', 'Delivered'],
    ['portal-catalogue', '/catalogue', 'escalation.triggered'],
    ['portal-inbox', '/inbox', 'No inbox yet'],
    ['portal-live', '/live', 'Connected'],
  ]) {
    await goto(page, path);
    await see(page, text);
    found.push(...(await survey(page, name, twoViews)));
  }
  // Whose webhooks these are, and where one is, is in sight on the narrowest screen.
  await page.setViewportSize({ width: 320, height: 640 });
  await see(page.getByRole('banner'), 'Padaria Aurora');
  await goto(page, '/inbox');
  await page.getByRole('navigation').locator('[aria-current=page]').filter({ hasText: 'Inbox' }).waitFor();
  for (const entry of await page.getByRole('navigation').getByRole('link').all()) {
    const { x, width } = await entry.boundingBox();
    if (x < 0 || x + width > 320) found.push(`${await entry.innerText()} is out of sight`);
  }
  // Who may only look. The pages themselves are those of the console, which pages_agent looks at in every view.
  const looker = await s.portal(await visit(), busy, '/', { capabilities: ['view'] });
  for (const [name, path, text] of [
    ['view-webhook', `/webhooks/${endpoints.failing.id}/security`, 'You may not see it here'],
    ['view-edit', `/webhooks/${endpoints.failing.id}/edit`, 'You may look at this webhook, but not change it'],
    ['view-deliveries', '/deliveries', 'Your link lets you look'],
  ]) {
    await goto(looker, path);
    await see(looker, text);
    found.push(...(await survey(looker, name, twoViews)));
  }
  assert.deepEqual(found, []);
});

s.journey('forms with errors, and pages that could not be loaded, are accessible and say so in words', async (visit) => {
  const { busy } = await filled();
  const visitor = await visit();
  visitor.allow(answered(422, 404, 500, 503));
  const page = await s.portal(visitor, busy, '/webhooks/new');
  const found = [];
  await page.getByLabel('URL', { exact: true }).fill('http://10.0.0.1/hook');
  await page.getByLabel('Timeout').fill('700');
  await page.getByRole('radio', { name: 'Use my own secret' }).check();
  await page.getByLabel('Your secret').fill('x');
  await page.getByRole('button', { name: 'Add header' }).click();
  await page.getByLabel('Name of header 1').fill('Host');
  await page.getByLabel('Value of header 1').fill('elsewhere');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await see(page, 'It is not saved yet');
  await until('the fields in trouble are marked', async () => (await page.locator('[aria-invalid=true]').count()) >= 3);
  found.push(...(await survey(page, 'webhook-new-errors')));
  await goto(page, '/deliveries');
  await page.getByRole('button', { name: 'Leave', exact: true }).click();
  await page.getByRole('heading', { name: 'Deliveries', level: 1 }).waitFor();

  // The server answers with an error: it is said, and can be tried again.
  let broken = true;
  await intercept(page, '**/v1/agents/*/endpoints?*', (route) => (broken ? route.fulfill({ status: 500, contentType: 'application/problem+json', body: '{"title":"Internal error","detail":"the store is full","code":"internal"}' }) : route.continue()));
  await goto(page, '/webhooks');
  await see(page, 'The webhooks could not be loaded');
  found.push(...(await survey(page, 'webhooks-error')));
  broken = false;
  await page.getByRole('button', { name: /again/i }).click();
  await see(page, '/tickets');
  await goto(page, '/webhooks/ep_00000000000000000000000000');
  await page.getByRole('button', { name: /again/i }).waitFor();
  found.push(...(await survey(page, 'webhook-missing')));
  assert.deepEqual(found, []);
});
