// Who may come in, and how they are told when they may not.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { apiKey } from '../support/server.mjs';
import { answered, goto, suite } from '../support/suite.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
const stored = (page) => page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));

s.journey('an operator signs in with a pasted API key, and out again', async (visit) => {
  const visitor = await visit();
  visitor.allow(answered(401));
  const { page } = visitor;
  await page.goto(`${s.server.url}/`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.match(page.url(), /\/console\/$/, 'the root leads to the console');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await see(page, 'Paste an API key.');
  await page.getByLabel('API key').fill('wb_live_not-a-key');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await see(page, 'This key is not valid. Check that all of it was copied, and that it was not revoked');
  await page.getByLabel('API key').fill(`  ${apiKey}\n`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  assert(!(await page.content()).includes(apiKey) && !page.url().includes(apiKey), 'the key is in the page');
  assert(!(await stored(page)).includes(apiKey), 'the key is stored');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  assert(!/wb[so]_/.test(await stored(page)), 'a session is kept after signing out');
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await s.api.get('/v1/session'); // a pasted key is only forgotten, never ended
});

s.journey('a link signs in once; signing out ends its session on the server', async (visit) => {
  const visitor = await visit();
  visitor.allow(answered(401));
  const { page } = visitor;
  const link = await s.api.consoleLink();
  const answer = page.waitForResponse((r) => r.url().endsWith('/v1/sessions'));
  await page.goto(link);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  const { token } = await (await answer).json();
  assert(!page.url().includes('key='), page.url());
  assert.equal((await s.api.as(token).get('/v1/session')).kind, 'console');
  await page.goBack().catch(() => null);
  assert(!page.url().includes('key='), 'the key is in the history');

  const again = await visit();
  again.allow(answered(401));
  await again.page.goto(link);
  await again.page.getByRole('heading', { name: 'This link does not work any more' }).waitFor();
  await see(again.page, 'waybell console');

  await page.goto(`${s.server.url}/console/`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await assert.rejects(s.api.as(token).get('/v1/session'), { status: 401 });
});

s.journey('a session that ended is told in words, and the way back in is there', async (visit) => {
  // By its own time.
  const late = await visit();
  await late.page.clock.install();
  await late.page.goto((await s.api.post('/v1/console-sessions', { ttl_seconds: 600 })).url);
  await late.page.getByRole('heading', { name: 'Overview' }).waitFor();
  await late.page.clock.fastForward('10:01');
  await late.page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
  await see(late.page, 'For a new link, run');
  assert(!(await stored(late.page)).includes('wbs_'));

  // Because it was ended elsewhere: the next thing that is asked for tells it.
  const visitor = await visit();
  visitor.allow(answered(401));
  const { page } = visitor;
  const answer = page.waitForResponse((r) => r.url().endsWith('/v1/sessions'));
  await s.console(visitor);
  await s.api.as((await (await answer).json()).token).delete('/v1/session');
  await goto(page, '/agents');
  await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
  await page.getByLabel('API key').fill(apiKey);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Agents' }).waitFor();
});

s.journey('a link of somebody else does not take the place of a session unasked', async (visit) => {
  await s.api.agent({ id: 'mine', name: 'My desk' });
  await s.api.agent({ id: 'strange', name: 'Stranger' });
  const { page } = await visit();
  const named = (name) => see(page.getByRole('banner'), name);
  const exchanged = (follow) => Promise.all([page.waitForResponse((r) => r.url().endsWith('/v1/sessions') && r.status() === 201), follow()]).then(([r]) => r.json());
  await page.goto(await s.api.portalLink('mine'));
  await named('My desk');
  await goto(page, '/webhooks/new');
  await page.getByLabel('URL', { exact: true }).fill('https://example.com/not-saved-yet');

  // In the tab of the session: what is being entered stays, and the stranger's session ends.
  const strange = await s.api.portalLink('strange');
  const { token } = await exchanged(() => page.goto(strange));
  await page.getByRole('heading', { name: 'Sign in for Stranger?' }).waitFor();
  await see(page.getByRole('dialog'), 'You are signed in for My desk.');
  assert(!page.url().includes('wbo_'), page.url());
  await page.getByRole('button', { name: 'Stay signed in' }).click();
  await until('the stranger\'s session has ended', () => s.api.as(token).get('/v1/session').then(() => false, (e) => e.status === 401));
  await named('My desk');
  assert.equal(await page.getByLabel('URL', { exact: true }).inputValue(), 'https://example.com/not-saved-yet');

  // A link of the same agent asks nothing.
  const again = await s.api.portalLink('mine');
  await exchanged(() => page.goto(again));
  assert.equal(await page.getByLabel('URL', { exact: true }).inputValue(), 'https://example.com/not-saved-yet');
  assert.equal(await page.getByRole('dialog').count(), 0);
  await page.getByLabel('URL', { exact: true }).fill('');
  await goto(page, '/inbox');
  await see(page, 'No inbox yet');

  // Loaded anew, it is the same; who wants the other agent gets it.
  await page.goto('about:blank');
  await page.goto(await s.api.portalLink('strange'));
  await page.getByRole('button', { name: 'Sign in for Stranger' }).click();
  await named('Stranger');
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
  await page.reload();
  await named('Stranger');
});

s.journey('a browser with a wrong clock works as any other', async (visit) => {
  const { id } = await s.api.agent({ id: 'clock', name: 'Clock' });
  await s.api.endpoint(id, { url: s.receiver.hook('/clock', 500).url, retry: { schedule_seconds: [] } });
  for (let i = 0; i < 2; i++) await s.api.publish(id, { event: 'lead.submit', data: { i } });
  await s.api.settled(id);
  for (const ahead of [3_600_000, -3_600_000]) {
    const { page } = await visit({ ahead });
    await page.goto((await s.api.post('/v1/console-sessions', { ttl_seconds: 600 })).url);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await goto(page, '/settings/portal?agent=clock');
    await page.getByRole('button', { name: 'Make a portal link' }).click();
    await see(page, /^Opens once, within \d\d? seconds?\./);
    await goto(page, '/agents/clock/deliveries?period=15m');
    await see(page, '2 deliveries');
    await page.getByRole('button', { name: 'Re-send all…' }).click();
    await page.getByRole('heading', { name: 'Re-send 2 deliveries?' }).waitFor();
  }
});

s.journey('a key that may do little sees little, and an owner without a link is sent to the platform', async (visit) => {
  await s.api.agent({ id: 'little', name: 'Little' });
  const { key } = await s.api.post('/v1/keys', { name: 'Reads', scopes: ['endpoints:read', 'deliveries:read'], agent_ids: ['little'] });
  const visitor = await visit();
  visitor.allow(answered(403));
  const { page } = visitor;
  await page.goto(`${s.server.url}/console/`);
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await see(page, /operator/i);
  assert.equal(await page.getByRole('link', { name: 'Settings', exact: true }).count(), 0);
  await goto(page, '/agents/little/webhooks');
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
  await see(page, 'No webhooks yet');
  assert.equal(await page.getByRole('link', { name: 'New webhook' }).count(), 0);

  const owner = await visit();
  await owner.page.goto(`${s.server.url}/portal/`);
  await owner.page.getByRole('heading', { name: 'Open your webhooks from your platform' }).waitFor();
});

s.journey('keys are made, shown once and revoked; a portal link from the settings works', async (visit) => {
  await s.api.agent({ id: 'desk', name: 'Front desk' });
  await s.api.agent({ id: 'back', name: 'Back office' });
  const page = await s.console(await visit(), '/settings/keys');
  await page.getByRole('button', { name: 'New API key' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Name/).fill('Publisher');
  await dialog.getByRole('button', { name: 'Create key' }).click();
  const secret = await until('the key is shown', async () => /wb_[\w-]{20,}/.exec(await dialog.innerText())?.[0]);
  assert.equal((await s.api.as(secret).get('/v1/session')).kind, 'key');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await see(dialog, 'Have you copied it?'); // a stray click loses no key
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  await dialog.waitFor({ state: 'hidden' });
  assert(!(await page.content()).includes(secret), 'the key is still in the page');
  await page.getByRole('button', { name: 'Actions for Publisher' }).click();
  await page.getByRole('menuitem', { name: 'Revoke…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: /Revoke/ }).click();
  await until('it is revoked', () => s.api.as(secret).get('/v1/session').then(() => false, (e) => e.status === 401));

  await goto(page, '/settings/portal?agent=desk');
  await page.getByRole('checkbox', { name: /secret/i }).first().waitFor();
  await page.getByRole('button', { name: 'Make a portal link' }).click();
  const href = await page.getByRole('link', { name: 'Open in a new tab' }).getAttribute('href');
  const owner = await visit();
  await owner.page.goto(href);
  await owner.page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();

  // What was chosen is chosen for the next agent, too.
  const secrets = page.getByRole('checkbox', { name: /^See secrets/ });
  await secrets.uncheck();
  await page.getByLabel('Signed in for').selectOption({ label: '5 minutes' });
  await page.getByRole('button', { name: 'Choose another' }).click();
  await page.getByRole('button', { name: /^Back office/ }).click();
  const asked = page.waitForRequest((request) => request.url().endsWith('/v1/agents/back/portal-sessions'));
  await page.getByRole('button', { name: 'Make a portal link' }).click();
  const input = (await asked).postDataJSON();
  assert.deepEqual([input.capabilities, input.ttl_seconds], [['view', 'manage_endpoints', 'manage_secrets', 'resend'], 300]);
  assert.equal(await secrets.isChecked(), false);
});
