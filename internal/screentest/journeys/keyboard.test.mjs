// Without a mouse: keys lead everywhere, and the keyboard is never lost.
import assert from 'node:assert/strict';
import { focused, press, see } from '../support/read.mjs';
import { goto, intercept, suite } from '../support/suite.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
const key = (page, name) => page.keyboard.press(name);
const focus = (page, pattern) => until(`the keyboard is at ${pattern}`, async () => pattern.test(await focused(page)));
/** Tabs until something has the keyboard. */
async function tabTo(page, pattern, most = 80) {
  for (let i = 0; i < most; i++) {
    if (pattern.test(await focused(page))) return;
    await press(page, 'Tab');
  }
  assert.fail(`no Tab leads to ${pattern}`);
}

s.journey('the log is read, filtered and repaired by keys', async (visit) => {
  const { id } = await s.api.agent({ id: 'keys', name: 'Keys' });
  const hook = s.receiver.hook('/keys', 500);
  await s.api.endpoint(id, { url: hook.url, retry: { schedule_seconds: [] } });
  for (let i = 0; i < 5; i++) await s.api.publish(id, { event: 'lead.submit', data: { i } });
  await s.api.settled(id);
  const page = await s.portal(await visit(), id);
  await see(page.getByRole('row'), '/keys');

  // The first Tab offers to skip the navigation.
  await key(page, 'Tab');
  await focus(page, /Skip to the content/);
  await press(page, 'Enter');
  await focus(page, /main#content/);

  await goto(page, '/deliveries');
  await see(page, '5 deliveries');
  const current = () => page.locator('[role=listitem][data-current] a').first().getAttribute('data-id', { timeout: 5_000 });
  const ids = (await s.api.deliveries(id)).map((d) => d.id);
  await press(page, 'j');
  assert.equal(await current(), ids[0]);
  await press(page, 'j', 'j', 'k');
  assert.equal(await current(), ids[1]);

  // Search: the cursor is in the field, and keys are letters there.
  await press(page, '/');
  await focus(page, /^input/);
  await page.keyboard.type('j?');
  assert.equal(await page.getByRole('searchbox').inputValue(), 'j?');
  await see(page, 'No delivery fits these filters');
  await page.keyboard.press('Control+A');
  await press(page, 'Delete');
  await see(page, '5 deliveries');
  await tabTo(page, /^div# /); // the list itself

  // A delivery beside the list; j and k go on, Escape leads back.
  await press(page, 'j');
  const at = ids.indexOf(await current());
  await press(page, 'Enter');
  const drawer = page.getByRole('dialog');
  await see(drawer, 'Attempt 1');
  assert(page.url().includes(ids[at]), page.url());
  await press(page, 'j');
  await until('the next one is shown', () => page.url().includes(ids[at + 1]));

  // Re-sent with r, from the drawer. Pressed while the delivery loads, it asks as soon as it has.
  hook.mend();
  let load;
  await intercept(page, `**/deliveries/${ids[at]}`, async (route) => {
    await new Promise((resolve) => { load = resolve; });
    await route.continue();
  }, { times: 1 });
  await press(page, 'k');
  await until('the one before is loading', () => page.url().includes(ids[at]) && load !== undefined);
  await press(page, 'r');
  assert.equal(await page.getByRole('heading', { name: /^Re-send/ }).count(), 0);
  load();
  await page.getByRole('heading', { name: 'Re-send this delivery?' }).waitFor();
  await see(drawer, ids[at]);
  await tabTo(page, /^button.* Re-send$/);
  await press(page, 'Enter');
  await see(drawer, /^The receiver answered HTTP 200/);

  // The page loaded anew with the delivery beside the list: r is still its own.
  await page.reload();
  await see(drawer, /^The receiver answered HTTP 200/);
  await press(page, 'r');
  await page.getByRole('heading', { name: 'Re-send this delivery?' }).waitFor();
  await press(page, 'Escape');
  await page.getByRole('heading', { name: 'Re-send this delivery?' }).waitFor({ state: 'hidden' });
  await press(page, 'Escape');
  await drawer.waitFor({ state: 'hidden' });
  assert.match(page.url(), /\/deliveries$/);

  // Several are chosen with x and sent again.
  await press(page, 'k', 'k', 'k', 'k', 'x', 'j', 'x');
  await see(page, '2 selected');
  await press(page, 'r');
  await page.getByRole('heading', { name: 'Re-send 2 deliveries?' }).waitFor();
  await press(page, 'Escape');
  await page.getByRole('heading', { name: 'Re-send 2 deliveries?' }).waitFor({ state: 'hidden' });
  await press(page, 'r');
  await page.getByRole('heading', { name: 'Re-send 2 deliveries?' }).waitFor();
  await tabTo(page, /Re-send 2 deliveries$/);
  await press(page, 'Enter');
  await see(page, '2 deliveries are on the way again.');
  await tabTo(page, /^button.* Close$/);
  await press(page, 'Enter');
  await hook.received(8);

  // The keys explain themselves.
  await press(page, '?');
  const help = page.getByRole('dialog', { name: 'Keyboard' });
  for (const words of ['Next delivery', 'Previous delivery', 'Re-send what is selected', 'Search', 'Close what is open']) await see(help, words);
  await press(page, 'Escape');
  await help.waitFor({ state: 'hidden' });
});

s.journey('a webhook is made, tested, paused and deleted by keys alone', async (visit) => {
  const { id } = await s.api.agent({ id: 'alone', name: 'Alone' });
  const hook = s.receiver.hook('/alone');
  const page = await s.portal(await visit(), id);
  await see(page, 'Set up your first webhook');
  await key(page, 'Tab');
  await tabTo(page, /New webhook/);
  await press(page, 'Enter');
  await page.getByRole('heading', { name: 'New webhook' }).waitFor();
  const field = () => page.evaluate(() => document.activeElement?.getAttribute('name') ?? '');
  await until('the form is there', async () => (await page.getByLabel('URL', { exact: true }).count()) === 1);
  for (let i = 0; i < 40 && (await field()) !== 'url'; i++) await press(page, 'Tab');
  await page.keyboard.type(hook.url);
  await see(page, /This URL may be used|begins with http/);
  const onEvents = () => page.evaluate(() => document.activeElement?.closest('label')?.textContent ?? '');
  for (let i = 0; i < 20 && !(await onEvents()).startsWith('Only these events'); i++) await press(page, 'Tab');
  await press(page, 'ArrowUp');
  assert.match(await onEvents(), /^All events, now and later/);
  await tabTo(page, /^button.* Save and send test/);
  await press(page, 'Enter');
  await see(page, 'The test was delivered');
  await tabTo(page, /Open the webhook/);
  await press(page, 'Enter');
  await page.getByRole('heading', { level: 1, name: /alone/ }).waitFor();
  await focus(page, /./);

  // Menus move by arrows and letters; Escape gives the keyboard back to the button.
  await goto(page, '/webhooks');
  await see(page.getByRole('row'), '/alone');
  await press(page, 'j');
  await tabTo(page, /^button# Actions for/);
  await press(page, 'ArrowDown');
  await focus(page, /Edit/);
  await press(page, 'Escape');
  await focus(page, /^button# Actions for/);
  await press(page, 'Enter');
  await focus(page, /Edit/);
  await press(page, 'p');
  await focus(page, /Pause/);
  await press(page, 'Enter');
  await see(page.getByRole('row'), 'Paused');
  await tabTo(page, /^button# Actions for/);
  await press(page, 'Enter');
  await focus(page, /Edit/);
  await press(page, 'd');
  await focus(page, /Delete/);
  await press(page, 'Enter');
  await page.getByRole('heading', { name: 'Delete this webhook?' }).waitFor();
  await focus(page, /^input/);
  await press(page, 'Enter'); // nothing is typed yet: nothing is deleted
  assert.equal((await s.api.all(`/v1/agents/${id}/endpoints`)).length, 1);
  await page.keyboard.type(s.receiver.host);
  await press(page, 'Enter');
  await see(page, 'Set up your first webhook');
  await focus(page, /./);
  assert.deepEqual(await s.api.all(`/v1/agents/${id}/endpoints`), []);
});

s.journey('the marked row stays marked where others come', async (visit) => {
  const { id } = await s.api.agent({ id: 'marked', name: 'Marked' });
  for (const path of ['/older', '/newer']) await s.api.endpoint(id, { url: s.receiver.hook(path).url });
  const page = await s.portal(await visit(), id);
  const marked = page.locator('tr[data-current]');
  await see(page.getByRole('row'), '/older');
  await press(page, 'j');
  await see(marked, '/newer');
  await s.api.endpoint(id, { url: s.receiver.hook('/newest').url });
  await see(page.getByRole('row'), '/newest');
  await see(marked, '/newer');
  await press(page, 'j');
  await see(marked, '/older');
  await press(page, 'Enter');
  await page.getByRole('heading', { level: 1, name: /older/ }).waitFor();
});

s.journey('what opens has the keyboard before the next frame, and gives it back so', async (visit) => {
  const { id } = await s.api.agent({ id: 'frame', name: 'Frame' });
  await s.api.endpoint(id, { url: s.receiver.hook('/frame').url });
  const page = await s.portal(await visit(), id);
  const menu = page.getByRole('button', { name: /^Actions for/ });
  await menu.focus();
  // No frame is drawn between these steps: promises are all that they wait for.
  const seen = await menu.evaluate(async (button) => {
    const rendered = async () => {
      for (let i = 0; i < 20; i++) await null;
    };
    const at = () => document.activeElement.textContent.trim();
    button.click();
    await rendered();
    const inMenu = at();
    [...document.querySelectorAll('[role=menuitem]')].find((item) => item.textContent.trim() === 'Delete…').click();
    await rendered();
    const dialog = document.querySelector('dialog:modal');
    const inDialog = document.activeElement.tagName;
    dialog.querySelector('[aria-label=Close]').click();
    await rendered();
    return [inMenu, inDialog, document.activeElement === button];
  });
  assert.deepEqual(seen, ['Edit', 'INPUT', true]);
});

s.journey('the cursor stays in a search that finds nothing', async (visit) => {
  await s.api.agent({ id: 'cursor', name: 'The cursor' });
  const page = await s.console(await visit(), '/agents');
  await see(page.getByRole('row'), 'The cursor');
  await press(page, '/');
  await page.keyboard.type('nobody');
  await see(page, 'No agent fits');
  await page.evaluate(() => { window.field = document.activeElement; });
  await page.keyboard.press('Control+A');
  await press(page, 'Delete');
  await see(page.getByRole('row'), 'The cursor');
  assert(await page.evaluate(() => document.activeElement === window.field && window.field.matches('input')), 'the cursor is gone');
});

s.journey('the operator goes everywhere by keys, and every page takes the keyboard', async (visit) => {
  for (const id of ['first-desk', 'second-desk']) await s.api.agent({ id, name: `The ${id}` });
  const page = await s.console(await visit());
  for (const [name, heading] of [['Agents', 'Agents'], ['Settings', 'Settings'], ['System', 'System'], ['Overview', 'Overview']]) {
    await page.getByRole('link', { name, exact: true }).focus();
    await press(page, 'Enter');
    await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
    await focus(page, /main#content/);
  }
  await goto(page, '/agents');
  await see(page.getByRole('row'), 'The first-desk');
  await press(page, '/');
  await page.keyboard.type('second-d');
  // The list is asked for anew when typing pauses, as often as it does.
  await until('what was typed is asked for', () => page.url().endsWith('?search=second-d'));
  await until('one is left', async () => (await page.getByRole('table').getByRole('row').count()) === 2);
  await press(page, 'Tab');
  await press(page, 'j', 'Enter');
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
  assert.match(page.url(), /\/agents\/second-desk\/webhooks/);
  await page.getByRole('button', { name: 'The second-desk' }).focus();
  await press(page, 'Enter');
  await focus(page, /^input/);
  await page.keyboard.type('first-d');
  await until('one fits', async () => (await page.getByRole('dialog').getByRole('listitem').count()) === 1);
  await tabTo(page, /The first-desk/);
  await press(page, 'Enter');
  await until('the other agent is shown', () => /\/agents\/first-desk\/webhooks/.test(page.url()));
  await focus(page, /./);
});
