// What is kept when somebody goes elsewhere: unsaved changes, filters, the place in a list.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { answered, goto, suite } from '../support/suite.mjs';
import { until } from '../support/wait.mjs';

const s = suite();

s.journey('unsaved changes are asked about, whichever way somebody leaves', async (visit) => {
  const { id } = await s.api.agent({ id: 'guard', name: 'Guard' });
  const endpoint = await s.api.endpoint(id, { url: s.receiver.hook('/guard').url, description: 'As it was' });
  const page = await s.portal(await visit(), id);
  const path = `/v1/agents/${id}/endpoints/${endpoint.id}`;
  const dialogs = [];
  let answer = 'dismiss';
  page.on('dialog', async (dialog) => {
    dialogs.push(dialog.type());
    await dialog[answer]();
  });
  await page.getByRole('row').filter({ hasText: '/guard' }).getByRole('button', { name: /^Actions for/ }).click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
  const field = page.getByLabel(/^Description/);
  await field.fill('Not saved');
  await see(page, 'Not saved yet. Nothing applies before you save.');

  const asks = page.getByRole('heading', { name: 'Leave without saving?' });
  const stay = async () => {
    await asks.waitFor();
    await page.getByRole('button', { name: 'Cancel' }).last().click();
    await asks.waitFor({ state: 'hidden' });
    assert.equal(await field.inputValue(), 'Not saved');
    assert.match(page.url(), /\/edit$/);
  };
  await page.getByRole('link', { name: 'Deliveries', exact: true }).click();
  await stay();
  await page.evaluate(() => window.history.back());
  await stay();
  // A reload is the browser's own question; saying no keeps everything.
  const reload = page.reload({ timeout: 5_000 }).catch((error) => error);
  await until('the browser asks', () => dialogs.includes('beforeunload'));
  await reload;
  assert.equal(await field.inputValue(), 'Not saved');

  await page.getByRole('link', { name: 'Deliveries', exact: true }).click();
  await page.getByRole('button', { name: 'Leave', exact: true }).click();
  await page.getByRole('heading', { name: 'Deliveries', level: 1 }).waitFor();
  assert.equal((await s.api.get(path)).description, 'As it was');

  // Saved or put back as it was, there is nothing to ask.
  await page.evaluate(() => window.history.back());
  await field.waitFor();
  assert.equal(await field.inputValue(), 'As it was');
  await field.fill('Changed');
  await field.fill('As it was');
  await page.getByRole('link', { name: 'Deliveries', exact: true }).click();
  await page.getByRole('heading', { name: 'Deliveries', level: 1 }).waitFor();
  await page.evaluate(() => window.history.back());
  await field.fill('Saved');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await see(page, 'The changes are saved.');
  assert.equal((await s.api.get(path)).description, 'Saved');
  answer = 'accept';
  await page.reload();
  await page.getByRole('heading', { level: 1 }).waitFor();
  assert.deepEqual(dialogs, ['beforeunload']);
});

s.journey('somebody else saved in the meantime: nobody is overwritten unasked', async (visit) => {
  const visitor = await visit();
  visitor.allow(answered(412));
  const { id } = await s.api.agent({ id: 'conflict', name: 'Conflict' });
  const endpoint = await s.api.endpoint(id, { url: s.receiver.hook('/conflict').url, description: 'Before' });
  const page = await s.portal(visitor, id, `/webhooks/${endpoint.id}/edit`);
  await page.getByLabel('Timeout').fill('7');
  await s.api.patch(`/v1/agents/${id}/endpoints/${endpoint.id}`, { description: 'Theirs' });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: 'The webhook was changed elsewhere' }).waitFor();
  await page.getByRole('button', { name: 'Save mine' }).click();
  await see(page, 'The changes are saved.');
  const now = await s.api.get(`/v1/agents/${id}/endpoints/${endpoint.id}`);
  assert.deepEqual([now.timeout_seconds, now.description], [7, 'Theirs']);
});

s.journey('filters survive a reload, a link to somebody else, and going back and forward', async (visit) => {
  const { id } = await s.api.agent({ id: 'filters', name: 'Filters' });
  const good = s.receiver.hook('/good');
  const bad = s.receiver.hook('/bad', 500);
  await s.api.endpoint(id, { url: good.url, description: 'The good one' });
  await s.api.endpoint(id, { url: bad.url, retry: { schedule_seconds: [] } });
  for (const event of ['lead.submit', 'message.sent', 'lead.submit']) await s.api.publish(id, { event, data: { name: 'Ada' } });
  await s.api.settled(id);
  const page = await s.portal(await visit(), id, '/deliveries');
  const rows = page.getByRole('group', { name: 'Deliveries' }).getByRole('listitem');
  const shows = (count) => until(`${count} rows are shown`, async () => (await rows.count()) === count);
  await shows(6);
  await page.getByLabel('State').selectOption({ label: 'Failed' });
  await shows(3);
  await page.getByLabel('Event', { exact: true }).selectOption({ label: 'lead.submit' });
  await shows(2);
  await page.getByLabel('Answer').selectOption({ label: '5xx: receiver\'s error' });
  await shows(2);
  const address = page.url();
  assert.match(address, /state=failed/);

  const chosen = async () => {
    await shows(2);
    const value = (label) => page.getByLabel(label, { exact: true }).evaluate((select) => select.selectedOptions[0].label);
    assert.deepEqual([await value('State'), await value('Event'), await value('Answer')], ['Failed', 'lead.submit', '5xx: receiver\'s error']);
  };
  await page.reload();
  await chosen();

  await rows.first().getByRole('link').first().click();
  await page.getByRole('dialog').waitFor();
  assert.match(page.url(), /\/deliveries\/dlv_.*state=failed/);
  await page.goBack();
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await chosen();
  await page.goForward();
  await page.getByRole('dialog').waitFor();
  await page.reload();
  await page.getByRole('dialog').getByText('Attempt 1').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await chosen();
  await page.getByRole('link', { name: 'Webhooks', exact: true }).click();
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
  await page.goBack();
  await chosen();

  // The same address in another window, by somebody else who is signed in.
  const other = await s.portal(await visit(), id, new URL(address).hash.slice(1));
  await until('the other one sees the same', async () => (await other.getByRole('group', { name: 'Deliveries' }).getByRole('listitem').count()) === 2);

  await page.getByRole('button', { name: 'Remove the filter lead.submit' }).click();
  await shows(3);
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await shows(6);
  await page.getByLabel('Answer').selectOption({ label: 'A certain status…' });
  await page.getByLabel('HTTP status').fill('404');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await see(page, 'No delivery fits these filters');

  // The list of webhooks has its own.
  await page.getByRole('link', { name: 'Webhooks', exact: true }).click();
  await page.getByRole('searchbox').fill('good one');
  const table = page.getByRole('table', { name: 'Webhooks' });
  await until('one is left', async () => (await table.getByRole('row').count()) === 2);
  await page.reload();
  await until('it is still one', async () => (await table.getByRole('row').count()) === 2);
  assert.equal(await page.getByRole('searchbox').inputValue(), 'good one');
});

s.journey('a delivery that is closed twice leads to the list, not past it', async (visit) => {
  const { id } = await s.api.agent({ id: 'twice', name: 'Twice' });
  await s.api.endpoint(id, { url: s.receiver.hook('/twice').url });
  await s.api.publish(id, { event: 'lead.submit', data: { name: 'Ada' } });
  await s.api.settled(id);
  const page = await s.portal(await visit(), id);
  await goto(page, '/deliveries');
  await page.getByRole('link', { name: /^Delivered/ }).click();
  const drawer = page.getByRole('dialog');
  await see(drawer, 'Attempt 1');
  await drawer.getByRole('button', { name: 'Close', exact: true }).evaluate((close) => {
    close.click();
    close.click();
  });
  await drawer.waitFor({ state: 'hidden' });
  await page.goForward();
  await see(drawer, 'Attempt 1');
});

s.journey('the address of an agent that is not there leads to those that are', async (visit) => {
  const visitor = await visit();
  visitor.allow(answered(404));
  const page = await s.console(visitor, '/agents/nobody/webhooks');
  await see(page, 'There is no such agent');
  await page.getByRole('link', { name: 'All agents' }).click();
  await page.getByRole('heading', { name: 'Agents', level: 1 }).waitFor();
});

/** Where the browser asks for a file: the dialog is not for tests, so the answer is a file of the page's own. */
const choosesFile = () => {
  window.showSaveFilePicker = async ({ suggestedName }) => {
    window.chosen = suggestedName;
    return (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
  };
};
/** Other browsers have no such dialog. */
const hasNoDialog = () => {
  delete window.showSaveFilePicker;
};

s.journey('what the filters find is exported, line by line', async (visit) => {
  const { id } = await s.api.agent({ id: 'export', name: 'Export' });
  await s.api.endpoint(id, { url: s.receiver.hook('/export', 500).url, retry: { schedule_seconds: [] } });
  await s.api.endpoint(id, { url: s.receiver.hook('/export-well').url });
  for (let i = 0; i < 3; i++) await s.api.publish(id, { event: 'lead.submit', data: { i } });
  await s.api.settled(id);
  const fileName = /^deliveries-export-\d{4}-\d\d-\d\d\.ndjson$/;
  const start = async (browser) => {
    const visitor = await visit();
    await visitor.page.addInitScript(browser);
    const page = await s.portal(visitor, id, '/deliveries?state=failed');
    await see(page, '3 deliveries');
    await page.getByRole('button', { name: 'Export' }).click();
    await page.getByRole('checkbox', { name: 'With all attempts' }).check();
    return { page, go: () => page.getByRole('dialog').getByRole('button', { name: 'Export' }).click() };
  };
  const holds = (text) => assert.deepEqual(
    text.trim().split('\n').map((line) => JSON.parse(line)).map((d) => [d.state, d.attempt_log.length]),
    [['failed', 1], ['failed', 1], ['failed', 1]],
  );

  const gathered = await start(hasNoDialog);
  const [download] = await Promise.all([gathered.page.waitForEvent('download'), gathered.go()]);
  assert.match(download.suggestedFilename(), fileName);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  holds(Buffer.concat(chunks).toString());
  await see(gathered.page, 'Done: 3 deliveries');

  const written = await start(choosesFile);
  await written.go();
  await see(written.page, 'Done: 3 deliveries');
  assert.match(await written.page.evaluate(() => window.chosen), fileName);
  holds(await written.page.evaluate(async () => {
    const file = await (await navigator.storage.getDirectory()).getFileHandle(window.chosen);
    return (await file.getFile()).text();
  }));
});
