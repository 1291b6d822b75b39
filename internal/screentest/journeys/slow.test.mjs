// A server that takes its time, or whose answer gets lost, or that was updated:
// nothing is done twice, nothing that was made is lost, and its end is told.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { answered, goto, intercept, suite } from '../support/suite.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
const resting = { status: 503, contentType: 'application/problem+json', body: JSON.stringify({ status: 503, detail: 'the store rests' }) };

/** Keeps calls back, to be let through or answered in the server's place. */
async function hold(page, url, method) {
  const calls = [];
  await intercept(page, url, (route) => (route.request().method() === method ? calls.push(route) : route.fallback()));
  return {
    calls,
    came: (n = 1) => until(`${method} ${url} was called`, () => calls.length === n),
    release: () => Promise.all(calls.map((call) => call.continue())),
    fail: () => Promise.all(calls.map((call) => call.fulfill(resting))),
  };
}

/** Tries all ways out of a dialog. */
async function stays(page, heading) {
  const dialog = page.getByRole('dialog');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.mouse.click(5, 5);
  for (const name of ['Close', 'Cancel']) assert(await dialog.getByRole('button', { name, exact: true }).isDisabled(), name);
  assert(await dialog.getByRole('heading', { name: heading }).isVisible(), 'the dialog was left');
}

const secretIn = async (dialog) => (await dialog.getByLabel('Secret', { exact: true }).innerText()).trim();

s.journey('a dialog stays until its request has ended, and tells how', async (visit) => {
  const { id } = await s.api.agent({ id: 'stays', name: 'Stays' });
  const { id: hook } = await s.api.endpoint(id, { url: s.receiver.hook('/stays').url, generate_secret: true });
  const at = `/v1/agents/${id}/endpoints/${hook}`;
  const visitor = await visit();
  visitor.allow(answered(503));
  const page = await s.portal(visitor, id);
  const dialog = page.getByRole('dialog');
  const ask = async (item) => {
    await page.getByRole('row').filter({ hasText: '/stays' }).getByRole('button', { name: /^Actions for/ }).click();
    await page.getByRole('menuitem', { name: item }).click();
  };

  await ask('Rotate secret…');
  const rotation = await hold(page, '**/secret/rotate', 'POST');
  await dialog.getByRole('button', { name: 'Rotate secret' }).click();
  await rotation.came();
  await stays(page, /^Rotate the secret/);
  await rotation.release();
  await page.getByRole('heading', { name: 'The new secret' }).waitFor();
  assert.equal(await secretIn(dialog), (await s.api.get(`${at}/secret`)).secret);
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  await dialog.waitFor({ state: 'hidden' });

  await ask('Delete…');
  const removal = await hold(page, `**${at}`, 'DELETE');
  await dialog.getByRole('textbox').fill(s.receiver.host);
  await dialog.getByRole('button', { name: 'Delete webhook' }).click();
  await removal.came();
  await stays(page, 'Delete this webhook?');
  await removal.fail();
  await see(dialog, 'The store rests.');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });

  // What is asked about must be known first.
  await s.api.post(`${at}/pause`);
  await see(page.getByRole('row'), 'Paused');
  const ledger = await hold(page, `**${at}/ledger`, 'GET');
  await ask('Resume…');
  await ledger.came();
  assert(await dialog.getByRole('button', { name: 'Resume' }).isDisabled());
  await ledger.release();
  await dialog.getByRole('button', { name: 'Resume' }).click();
  await see(page.getByRole('row'), 'Active');
});

s.journey('a key is made once, however often Enter is pressed, and shown', async (visit) => {
  const page = await s.console(await visit(), '/settings/keys');
  await page.getByRole('button', { name: 'New API key' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Name/).fill('Once');
  const creation = await hold(page, '**/v1/keys', 'POST');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await creation.came();
  await stays(page, 'New API key');
  await creation.release();
  const key = await until('the key is shown', async () => /wb_[\w-]{20,}/.exec(await dialog.innerText())?.[0]);
  assert.equal((await s.api.as(key).get('/v1/session')).kind, 'key');
  assert.equal((await s.api.all('/v1/keys')).filter((k) => k.name === 'Once').length, 1);
});

s.journey('a webhook that is made, or gets its secret, is told so though what follows fails', async (visit) => {
  const { id } = await s.api.agent({ id: 'made', name: 'Made' });
  const visitor = await visit();
  visitor.allow(answered(503));
  const page = await s.portal(visitor, id, '/webhooks/new');
  const dialog = page.getByRole('dialog');
  const one = /\/endpoints\/ep_[^/]+$/;
  const failing = (route) => (route.request().method() === 'GET' ? route.fulfill(resting) : route.fallback());
  await page.getByLabel('URL', { exact: true }).fill(s.receiver.hook('/made').url);
  await page.getByRole('radio', { name: 'All events, now and later' }).check();
  await intercept(page, one, failing);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: 'The webhook is saved' }).waitFor();
  const [endpoint, ...more] = await s.api.all(`/v1/agents/${id}/endpoints`);
  assert.deepEqual(more, []);
  const at = `/v1/agents/${id}/endpoints/${endpoint.id}`;
  const first = await secretIn(dialog);
  assert.equal((await s.api.get(`${at}/secret`)).secret, first);
  await page.unroute(one, failing);
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  await page.getByRole('heading', { level: 1, name: /made/ }).waitFor();

  await goto(page, `/webhooks/${endpoint.id}/edit`);
  await page.getByRole('radio', { name: 'Regenerate the secret' }).check();
  await intercept(page, one, failing);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: 'The webhook is saved' }).waitFor();
  const second = await secretIn(dialog);
  assert.notEqual(second, first);
  assert.equal((await s.api.get(`${at}/secret`)).secret, second);
});

s.journey('what is entered while a form is saved stays, and is saved next', async (visit) => {
  const { id } = await s.api.agent({ id: 'entered', name: 'Entered' });
  const endpoint = await s.api.endpoint(id, { url: s.receiver.hook('/entered').url });
  const at = `/v1/agents/${id}/endpoints/${endpoint.id}`;
  const page = await s.portal(await visit(), id, `/webhooks/${endpoint.id}/edit`);
  await page.getByLabel('Timeout').fill('7');
  const saving = await hold(page, `**${at}`, 'PATCH');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await saving.came();
  await page.getByLabel(/^Description/).fill('Entered meanwhile');
  await saving.release();
  await see(page, /What you entered since then is not/);
  assert.equal(await page.getByLabel(/^Description/).inputValue(), 'Entered meanwhile');
  assert.equal((await s.api.get(at)).timeout_seconds, 7);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await saving.came(2);
  await saving.calls[1].continue();
  await until('the form is left', () => page.url().endsWith(`/webhooks/${endpoint.id}`));
  const now = await s.api.get(at);
  assert.deepEqual([now.timeout_seconds, now.description], [7, 'Entered meanwhile']);
});

s.journey('a test is not shown over a later one', async (visit) => {
  const { id } = await s.api.agent({ id: 'later', name: 'Later' });
  const endpoint = await s.api.endpoint(id, { url: s.receiver.hook('/later').url });
  const visitor = await visit();
  visitor.allow(answered(503));
  const page = await s.portal(visitor, id, `/webhooks/${endpoint.id}/edit`);
  const tests = await hold(page, '**/test', 'POST');
  await page.getByRole('button', { name: 'Save and send test' }).click();
  await tests.came();
  await page.getByRole('button', { name: 'Save and send test' }).click();
  await tests.came(2);
  await tests.calls[1].continue();
  await see(page, 'The test was delivered');
  const late = page.waitForResponse((response) => response.status() === 503);
  await tests.calls[0].fulfill(resting);
  await (await late).finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await see(page, 'The test was delivered');
  assert.equal(await page.getByText('The test could not be sent').count(), 0);
});

const missing = (route) => route.fulfill({ status: 404, contentType: 'text/plain', body: 'not found' });

s.journey('a page that is older than the server says so, and asks no more', async (visit) => {
  const visitor = await visit();
  visitor.allow(answered(404));
  const page = await s.console(visitor, '/agents');
  const agents = page.getByRole('heading', { name: 'Agents', level: 1 });
  await agents.waitFor();
  await page.reload(); // what the first page loads is not under way any more
  await agents.waitFor();
  const asked = [];
  page.on('request', (request) => /livez$/.test(request.url()) && asked.push(request.url()));
  await intercept(page, '**/assets/*.js', missing);
  await goto(page, '/system');
  const told = page.getByRole('heading', { name: 'This page is of another version' });
  await told.waitFor();
  assert.equal(await page.getByText('cannot be reached').count(), 0);
  assert.equal(asked.length, 1);
  // What is loaded goes on working.
  await goto(page, '/agents');
  await agents.waitFor();
  await goto(page, '/system');
  await told.waitFor();
  await page.unroute('**/assets/*.js', missing);
  await page.getByRole('button', { name: 'Load the page anew' }).click();
  await page.getByRole('heading', { name: 'System', level: 1 }).waitFor();
});

s.journey('a chart whose file is gone is shown as a table', async (visit) => {
  const { id } = await s.api.agent({ id: 'chart', name: 'Chart' });
  await s.api.endpoint(id, { url: s.receiver.hook('/chart').url });
  await s.api.publish(id, { event: 'lead.submit', data: { n: 1 } });
  await s.api.settled(id);
  const visitor = await visit();
  visitor.allow(answered(404));
  await visitor.page.route('**/assets/plot-*.js', missing);
  const page = await s.console(visitor);
  const table = page.getByRole('group', { name: /^Attempts in/ });
  await see(table, 'Delivered');
});
