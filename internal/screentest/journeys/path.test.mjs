// Below a path of somebody else's site: a proxy takes the path away, and nothing may notice.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { startHostPage } from '../support/hostpage.mjs';
import { startProxy } from '../support/proxy.mjs';
import { see } from '../support/read.mjs';
import { goto, suite } from '../support/suite.mjs';

let proxy;
let host;
const s = suite({
  settings: async () => {
    proxy = await startProxy('/apps/hooks', () => s.server.url);
    host = await startHostPage({ waybell: () => proxy.url, session: () => s.api.post('/v1/agents/framed/portal-sessions', {}) });
    s.base = proxy.url;
    s.origins.push(host.origin);
    return { 'public-url': proxy.url, 'portal-origins': host.origin };
  },
});
after(() => Promise.all([proxy?.close(), host?.close()]));

s.journey('the console works below a path, and asks for nothing outside of it', async (visit) => {
  await s.api.agent({ id: 'below', name: 'Below' });
  const hook = s.receiver.hook('/below');
  const { page } = await visit();
  const link = await s.api.consoleLink();
  assert(link.startsWith(`${proxy.url}/console/#key=`), link);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(link);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await goto(page, '/agents/below/webhooks');
  await see(page, 'Set up your first webhook');
  await page.getByRole('link', { name: 'New webhook' }).click();
  await page.getByLabel('URL', { exact: true }).fill(hook.url);
  await page.getByRole('radio', { name: 'All events, now and later' }).check();
  await page.getByRole('radio', { name: 'No secret' }).check();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await see(page, 'The webhook is made.');
  await goto(page, '/agents/below/live');
  await see(page, 'Connected');
  await s.api.publish('below', { event: 'lead.submit', data: { name: 'Ada' } });
  await see(page.getByRole('group', { name: 'Live deliveries' }), 'lead.submit');
  await page.reload();
  await page.getByRole('heading', { name: 'Live', level: 1 }).waitFor();

  // The root of the path leads to the console.
  const root = await visit();
  await root.page.goto(`${proxy.url}/`);
  await root.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal(new URL(root.page.url()).pathname, '/apps/hooks/console/');
  assert(asked.length > 10 && asked.every((url) => url.startsWith(`${proxy.url}/`)), asked.filter((url) => !url.startsWith(`${proxy.url}/`)).join('\n'));
  assert.deepEqual(proxy.outside, []);
});

s.journey('an inbox below a path takes deliveries and requests from outside', async (visit) => {
  await s.api.agent({ id: 'boxed', name: 'Boxed' });
  const page = await s.portal(await visit(), 'boxed');
  await page.getByRole('button', { name: 'Try it with an inbox' }).click();
  await see(page, 'This is an inbox on this server.');
  const url = await page.getByLabel('URL', { exact: true }).inputValue();
  assert(url.startsWith(`${proxy.url}/in/`), url);
  await page.getByRole('checkbox', { name: 'lead.submit' }).check();
  await page.getByRole('button', { name: 'Save and send test' }).click();
  await see(page, 'The test was delivered');
  await page.getByRole('link', { name: 'See it in the inbox' }).click();
  await see(page, 'Verified');
  assert.equal((await fetch(url, { method: 'POST', body: '{"hello":"world"}' })).status, 200);
  await see(page, 'From outside');
});

s.journey('the portal is embedded from below a path', async (visit) => {
  await s.api.agent({ id: 'framed', name: 'Framed' });
  const { page } = await visit();
  await page.goto(host.url);
  const frame = page.frameLocator('waybell-portal iframe');
  await see(frame, 'Set up your first webhook');
  await frame.getByRole('link', { name: 'Event catalogue' }).click();
  await see(frame, 'lead.submit');
  assert(page.frames()[1].url().startsWith(`${proxy.url}/portal/`));
  assert.deepEqual(proxy.outside, []);
});
