// What opens over pages: menus, dialogs, drawers.
import assert from 'node:assert/strict';
import { colours, violations } from '../support/axe.mjs';
import { see } from '../support/read.mjs';
import { seed } from '../support/seed.mjs';
import { goto, phone, suite } from '../support/suite.mjs';
import { survey, twoViews } from '../support/survey.mjs';

const s = suite();
let seeded;
const filled = async () => (seeded ??= await seed(s.api, s.receiver));

/** The portal of an agent, and how what opens over it is looked at and closed. */
async function opened(visit, agent) {
  const page = await s.portal(await visit(), agent);
  const found = [];
  const looks = async (name, text) => {
    await see(page, text);
    found.push(...(await survey(page, name, twoViews)));
  };
  const closes = async () => {
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  };
  return { page, found, looks, closes };
}

s.journey('what opens over the list of webhooks is accessible in both themes and fits all widths', async (visit) => {
  const { busy } = await filled();
  const { page, found, looks, closes } = await opened(visit, busy);
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
  await looks('dialog-rotate', 'The old secret stops signing');
  await closes();
  await menu('/paused', 'Resume…');
  await looks('dialog-resume', 'What should become of them?');
  await closes();
  await menu('/crm/leads', 'Send test');
  await page.getByRole('button', { name: 'Send test' }).click();
  await looks('testing', 'The test was delivered');

  assert.deepEqual(found, []);
});

s.journey('what opens over the log and a webhook is accessible in both themes and fits all widths', async (visit) => {
  const { busy, endpoints } = await filled();
  const { page, found, looks, closes } = await opened(visit, busy);
  const [delivery] = await s.api.deliveries(busy, `endpoint_id=${endpoints.failing.id}`);
  await goto(page, `/deliveries/${delivery.id}`);
  await see(page, 'Attempt 1');
  await page.getByRole('button', { name: 'Re-send', exact: true }).click();
  await looks('dialog-resend-one', 'Re-send this delivery?');
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Re-send this delivery?' }).waitFor({ state: 'hidden' });
  await closes();
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
  const visitor = await visit();
  const page = await s.console(visitor, `/agents/${busy}/webhooks`);
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    // A menu closes when the window changes, so it is opened for each view.
    await page.getByRole('row').filter({ hasText: '/tickets' }).getByRole('button', { name: /^Actions for/ }).click();
    await page.getByRole('menuitem', { name: 'Delete…' }).waitFor();
    found.push(...(await violations(page, colorScheme === 'light' ? undefined : colours)));
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Theme/ }).filter({ visible: true }).click();
    await page.getByRole('menuitemradio', { name: 'Dark' }).waitFor();
    found.push(...(await violations(page, colorScheme === 'light' ? undefined : colours)));
    await page.keyboard.press('Escape');
  }
  await page.setViewportSize(phone);
  await page.getByRole('button', { name: 'Menu', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Event catalogue' }).waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    found.push(...(await violations(page, colorScheme === 'light' ? undefined : colours)));
  }
  await page.getByRole('dialog').getByRole('link', { name: 'Event catalogue' }).click();
  await page.getByRole('heading', { name: 'Event catalogue' }).waitFor();
  assert.deepEqual(found, []);
});
