// The portal, and what opens over pages: menus, dialogs, drawers, errors in forms.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { seed } from '../support/seed.mjs';
import { answered, goto, suite } from '../support/suite.mjs';
import { survey } from '../support/survey.mjs';

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
    found.push(...(await survey(page, name)));
  }
  // Who may only look.
  const looker = await s.portal(await visit(), busy, '/', { capabilities: ['view'] });
  for (const [name, path, text] of [
    ['view-webhook', `/webhooks/${endpoints.failing.id}/security`, 'You may not see it here'],
    ['view-edit', `/webhooks/${endpoints.failing.id}/edit`, 'Edit webhook'],
    ['view-deliveries', '/deliveries', 'Your link lets you look'],
  ]) {
    await goto(looker, path);
    await see(looker, text);
    found.push(...(await survey(looker, name)));
  }
  assert.deepEqual(found, []);
});

s.journey('menus, dialogs and drawers are accessible in both themes and fit all widths', async (visit) => {
  const { busy, endpoints } = await filled();
  const page = await s.portal(await visit(), busy);
  const found = [];
  const looks = async (name, text) => {
    await see(page, text);
    found.push(...(await survey(page, name)));
  };
  const closes = async () => {
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  };
  const row = (text) => page.getByRole('row').filter({ hasText: text });
  const menu = async (text, item) => {
    await goto(page, '/webhooks');
    await row(text).getByRole('button', { name: /^Actions for/ }).click();
    await page.getByRole('menuitem', { name: item }).click();
  };
  await menu('/tickets', 'Delete…');
  await looks('dialog-delete', 'Delete this webhook?');
  await closes();
  await menu('/tickets', 'Rotate secret…');
  await looks('dialog-rotate', 'How long should the old secret stay valid?');
  await closes();
  await menu('/paused', 'Resume…');
  await looks('dialog-resume', 'What should become of them?');
  await closes();
  await menu('/crm/leads', 'Send test…');
  await page.getByRole('dialog').getByRole('button', { name: 'Send test' }).click();
  await looks('dialog-test', 'The test was delivered');
  await closes();

  const [delivery] = await s.api.deliveries(busy, `endpoint_id=${endpoints.failing.id}`);
  await goto(page, `/deliveries/${delivery.id}`);
  await see(page, 'Attempt 1');
  await page.getByRole('button', { name: 'Re-send', exact: true }).click();
  await looks('dialog-resend-one', 'Re-send this delivery?');
  await closes().catch(() => page.keyboard.press('Escape'));
  await goto(page, '/deliveries?state=retrying');
  await see(page, 'Clear filters');
  await page.getByRole('button', { name: 'Re-send all…' }).click();
  await looks('dialog-resend-all', /^Re-send \d+ deliveries\?$/);
  await closes();
  await page.getByRole('button', { name: 'Export' }).click();
  await looks('dialog-export', 'Export deliveries');
  await closes();
  await page.getByLabel('Time').selectOption({ label: 'From … to …' });
  await looks('dialog-time', 'Filter by time');
  await closes();
  await page.getByRole('checkbox', { name: 'Select all that are loaded' }).check({ force: true });
  await looks('deliveries-selected', /selected$/);
  await goto(page, `/webhooks/${endpoints.failing.id}`);
  await see(page, 'Why attempts failed');
  await page.keyboard.press('?');
  await looks('dialog-keys', 'Close what is open');
  await closes();
  await page.getByRole('button', { name: 'Table' }).first().click();
  await looks('chart-as-table', 'Why attempts failed');
  assert.deepEqual(found, []);
});

s.journey('an open menu, and the menu of narrow screens, are accessible', async (visit) => {
  const { busy } = await filled();
  const { violations } = await import('../support/axe.mjs');
  const visitor = await visit();
  const page = await s.console(visitor, `/agents/${busy}/webhooks`);
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    // A menu closes when the window changes, so it is opened for each view.
    await page.getByRole('row').filter({ hasText: '/tickets' }).getByRole('button', { name: /^Actions for/ }).click();
    await page.getByRole('menuitem', { name: 'Delete…' }).waitFor();
    found.push(...(await violations(page)));
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Theme/ }).filter({ visible: true }).click();
    await page.getByRole('menuitemradio', { name: 'Dark' }).waitFor();
    found.push(...(await violations(page)));
    await page.keyboard.press('Escape');
  }
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('button', { name: 'Menu', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Event catalogue' }).waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    found.push(...(await violations(page)));
  }
  await page.getByRole('dialog').getByRole('link', { name: 'Event catalogue' }).click();
  await page.getByRole('heading', { name: 'Event catalogue' }).waitFor();
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
  await page.getByRole('button', { name: 'Add Header' }).click();
  await page.getByLabel('Name of header 1').fill('Host');
  await page.getByLabel('Value of header 1').fill('elsewhere');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await see(page, 'It is not saved yet');
  assert(await page.locator('[aria-invalid=true]').count() >= 3, 'fields in trouble are not marked');
  found.push(...(await survey(page, 'webhook-new-errors')));
  await goto(page, '/deliveries');
  await page.getByRole('button', { name: 'Leave', exact: true }).click();
  await page.getByRole('heading', { name: 'Deliveries', level: 1 }).waitFor();

  // The server answers with an error: it is said, and can be tried again.
  let broken = true;
  await page.route('**/v1/agents/*/endpoints?*', (route) => (broken ? route.fulfill({ status: 500, contentType: 'application/problem+json', body: '{"title":"Internal error","detail":"the store is full","code":"internal"}' }) : route.continue()));
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
