// The portal in a platform's own page: another origin, with a strict policy.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { Api } from '../support/api.mjs';
import { startHostPage } from '../support/hostpage.mjs';
import { see } from '../support/read.mjs';
import { answered, suite } from '../support/suite.mjs';
import { eventually, until } from '../support/wait.mjs';

let host; // may embed the portal
let stranger; // may not
/** What the platform's server answers at session-url. */
let session = () => ({ url: 'nothing yet' });

const s = suite({
  settings: async () => {
    const waybell = () => s.server.url;
    host = await startHostPage({ address: '127.0.0.2', waybell, session: () => session() });
    stranger = await startHostPage({ address: '127.0.0.3', waybell, session: () => session() });
    s.origins.push(host.origin, stranger.origin);
    return { 'portal-origins': host.origin };
  },
});
after(() => Promise.all([host?.close(), stranger?.close()]));

const all = ['view', 'view_secrets', 'manage_secrets', 'manage_endpoints', 'resend'];
const sessionFor = (agent, input = {}) => () => s.api.post(`/v1/agents/${agent}/portal-sessions`, input);

/** Opens the platform's page and gives the frame in it. */
async function embedded(page, url = host.url) {
  await page.goto(url);
  const frame = page.frameLocator('waybell-portal iframe');
  await frame.getByRole('heading', { level: 1 }).waitFor();
  return frame;
}

/** The token that a frame got for its key. */
function tokenOf(page) {
  return page.waitForResponse((r) => r.url().endsWith('/v1/sessions') && r.status() === 201).then(async (r) => (await r.json()).token);
}

/** A key made now is too old at the end of this file. */
let early;
s.journey('a link is made and laid aside', async () => {
  await s.api.agent({ id: 'early', name: 'Early' });
  early = await s.api.post('/v1/agents/early/portal-sessions', {});
  const left = Date.parse(early.expires_at) - Date.now();
  assert(left > 50_000 && left <= 60_000, `it is good for ${left} ms`);
});

s.journey('an owner sets up a webhook in the page of the platform', async (visit) => {
  await s.api.agent({ id: 'owner', name: 'Owner' });
  session = sessionFor('owner');
  const { page } = await visit();
  const frame = await embedded(page);
  await see(frame, 'Set up your first webhook');
  assert.equal(await frame.getByRole('button', { name: 'Sign out' }).count(), 0, 'the platform signs people in and out');
  await frame.getByRole('link', { name: 'New webhook' }).click();
  const hook = s.receiver.hook('/embedded');
  await frame.getByLabel('URL', { exact: true }).fill(hook.url);
  await frame.getByRole('radio', { name: 'All events, now and later' }).check();
  await frame.getByRole('button', { name: 'Save and send test' }).click();
  await see(frame, 'The test was delivered');
  await hook.received(1);
  assert(!(await page.locator('waybell-portal iframe').getAttribute('src')).includes('127.0.0.2'));
  assert.equal(host.asked, 1);

  // Nothing of the session is stored where other pages of the browser find it.
  const stored = await page.frames()[1].evaluate(() => {
    const all = (storage) => {
      try {
        return { ...window[storage] };
      } catch (error) {
        return error.name; // the browser gives a frame of another site none
      }
    };
    return JSON.stringify([all('sessionStorage'), all('localStorage'), document.cookie, window.location.href]);
  });
  assert(!/wb[so]_/.test(stored), stored);
});

s.journey('the frame is as high as what is in it', async (visit) => {
  await s.api.agent({ id: 'height', name: 'Height' });
  for (let i = 0; i < 12; i++) await s.api.endpoint('height', { url: s.receiver.hook(`/height/${i}`).url });
  session = sessionFor('height');
  const { page } = await visit();
  const frame = await embedded(page);
  const fits = () => eventually(async () => {
    const inside = await page.frames()[1].evaluate(() => [document.scrollingElement.scrollHeight, document.scrollingElement.clientHeight, Math.ceil(document.getElementById('app').firstElementChild.getBoundingClientRect().height)]);
    const box = await page.locator('waybell-portal iframe').boundingBox();
    assert(inside[0] <= inside[1] + 1, `the frame scrolls: ${inside}`);
    assert(Math.abs(box.height - Math.max(320, inside[2])) <= 2, `the frame is ${box.height} px high for ${inside[2]}`);
    return box.height;
  });
  await see(frame, '12 webhooks');
  const list = await fits();
  await frame.getByRole('link', { name: 'Inbox', exact: true }).click();
  await see(frame, 'No inbox yet');
  const empty = await fits();
  assert(empty < list, `${empty} is not lower than ${list}`);
  await frame.getByRole('link', { name: 'Webhooks', exact: true }).click();
  await see(frame, '12 webhooks');
  assert.equal(await fits(), list);
});

s.journey('the theme is the platform\'s, and may change', async (visit) => {
  await s.api.agent({ id: 'theme', name: 'Theme' });
  session = sessionFor('theme', { theme: 'light' });
  const { page } = await visit({ colorScheme: 'light' });
  await embedded(page, `${host.url}?theme=dark`);
  const dark = () => page.frames()[1].evaluate(() => getComputedStyle(document.documentElement).colorScheme);
  await until('the portal is dark', async () => (await dark()) === 'dark');
  await page.locator('waybell-portal').evaluate((element) => element.setAttribute('theme', 'light'));
  await until('the portal is light', async () => (await dark()) === 'light');
});

s.journey('a session is renewed through the platform before it ends, and when it was revoked', async (visit) => {
  await s.api.agent({ id: 'renew', name: 'Renew' });
  session = sessionFor('renew');
  const visitor = await visit();
  visitor.allow(answered(401));
  const { page } = visitor;
  await page.clock.install();
  const asked = host.asked;
  const first = tokenOf(page);
  const frame = await embedded(page);
  const one = await first;
  assert.equal(host.asked, asked + 1);
  const second = tokenOf(page);
  await page.clock.fastForward('59:30');
  const two = await second;
  assert.notEqual(one, two);
  assert.equal(host.asked, asked + 2);

  // It ended on the server: the next call renews it, and the reader notices nothing.
  const third = tokenOf(page);
  await s.api.as(two).delete('/v1/session');
  await frame.getByRole('link', { name: 'Event catalogue' }).click();
  await third;
  await frame.getByRole('heading', { name: 'Event catalogue' }).waitFor();
  await see(frame, 'lead.submit');

  // The page heard from the portal's origin only, and no message had a secret in it.
  const heard = await page.evaluate(() => window.heard);
  assert(heard.length > 0 && heard.every((m) => m.origin === s.server.url), JSON.stringify(heard));
  assert(!/wb[so]_/.test(JSON.stringify(heard)));
  assert(heard.some((m) => m.data.type === 'refresh-needed'));
});

s.journey('a platform is asked once, also by a browser whose clock is hours ahead', async (visit) => {
  await s.api.agent({ id: 'ahead', name: 'Ahead' });
  session = sessionFor('ahead');
  const asked = host.asked;
  const { page } = await visit({ ahead: 7_200_000 });
  const frame = await embedded(page);
  await frame.getByRole('link', { name: 'Inbox', exact: true }).click();
  await see(frame, 'No inbox yet');
  assert.equal(host.asked, asked + 1);
});

s.journey('messages from anybody else are not heard', async (visit) => {
  await s.api.agent({ id: 'deaf', name: 'Deaf' });
  await s.api.agent({ id: 'attacker', name: 'Attacker' });
  session = sessionFor('deaf');
  const { page } = await visit();
  const frame = await embedded(page);
  const { url } = await s.api.post('/v1/agents/attacker/portal-sessions', {});
  // A page inside the portal's own window, of the portal's origin but not its host.
  await page.frames()[1].evaluate((key) => window.postMessage({ waybell: 1, type: 'session', key }, '*'), new URL(url).hash.slice(5));
  await frame.getByRole('link', { name: 'Inbox', exact: true }).click();
  await see(frame, 'No inbox yet');
  // The key was not used.
  const { agent_id } = await s.api.as(null).post('/v1/sessions', { key: new URL(url).hash.slice(5) });
  assert.equal(agent_id, 'attacker');
});

s.journey('a page that is not in the list cannot embed the portal', async (visit) => {
  await s.api.agent({ id: 'framed', name: 'Framed' });
  const link = (await s.api.post('/v1/agents/framed/portal-sessions', {})).url;
  const visitor = await visit();
  visitor.allow(/frame-ancestors|Refused to frame|Framing .* violates/);
  const { page } = visitor;
  const refused = async (address) => {
    await page.goto(`${address}?frame=${encodeURIComponent(link)}`);
    await until('the frame is refused', () => page.frames()[1]?.url().startsWith('chrome-error:'));
  };
  await refused(stranger.url);
  // The console can be embedded by nobody, not even by the platform.
  await page.goto(`${host.url}?frame=${encodeURIComponent(`${s.server.url}/console/`)}`);
  await until('the console is refused', () => page.frames()[1]?.url().startsWith('chrome-error:'));
  // The link was not used up by the stranger, and works where it may.
  await page.goto(link);
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
});

s.journey('a link works once', async (visit) => {
  await s.api.agent({ id: 'once', name: 'Once' });
  const { url } = await s.api.post('/v1/agents/once/portal-sessions', {});
  const { page } = await visit();
  await page.goto(url);
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
  const thief = await visit();
  thief.allow(answered(401));
  await thief.page.goto(url);
  await thief.page.getByRole('heading', { name: 'This link does not work any more' }).waitFor();
  assert(!thief.page.url().includes('wbo_'));
  // Framed, it is the same: the platform gave a link that was used before.
  session = () => ({ url });
  const reader = await visit();
  reader.allow(answered(401));
  await reader.page.goto(host.url);
  await see(reader.page.frameLocator('waybell-portal iframe'), /Load the page around this one again/);
  // The one who was first still works, also after a reload.
  await page.reload();
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
});

s.journey('one agent\'s session reads nothing of another\'s', async (visit) => {
  for (const id of ['mine', 'theirs']) await s.api.agent({ id, name: id });
  const endpoint = await s.api.endpoint('theirs', { url: s.receiver.hook('/theirs').url, description: 'Confidential', generate_secret: true });
  await s.api.publish('theirs', { event: 'lead.submit', data: { name: 'Confidential' } });
  await s.api.settled('theirs');
  const [delivery] = await s.api.deliveries('theirs');
  session = sessionFor('mine');
  const visitor = await visit();
  visitor.allow(answered(403, 404, 422)); // the page of a webhook that is not theirs
  const { page } = visitor;
  const token = tokenOf(page);
  await embedded(page);
  const mine = new Api(s.server.url, await token);
  const at = '/v1/agents/theirs';
  for (const [method, path, body] of [
    ['GET', at], ['GET', `${at}/endpoints`], ['GET', `${at}/endpoints/${endpoint.id}`], ['GET', `${at}/endpoints/${endpoint.id}/secret`],
    ['PATCH', `${at}/endpoints/${endpoint.id}`, { description: 'Mine now' }], ['DELETE', `${at}/endpoints/${endpoint.id}`],
    ['GET', `${at}/deliveries`], ['GET', `${at}/deliveries/${delivery.id}`], ['POST', `${at}/deliveries/${delivery.id}/retry`], ['GET', `${at}/deliveries/export`],
    ['GET', `${at}/statistics`], ['GET', `${at}/stream`], ['GET', `${at}/inboxes`], ['POST', `${at}/inboxes`, {}], ['POST', `${at}/portal-sessions`, {}],
    ['GET', `/v1/agents/mine/endpoints/${endpoint.id}`], ['GET', `/v1/agents/mine/deliveries/${delivery.id}`],
    ['GET', '/v1/statistics'], ['GET', '/v1/stream'], ['GET', '/v1/system'], ['GET', '/v1/failing-endpoints'], ['GET', '/v1/keys'], ['POST', '/v1/console-sessions', {}],
  ]) {
    await assert.rejects(mine.call(method, path, body), (error) => [403, 404].includes(error.status) && !JSON.stringify(error.problem).includes('Confidential'), `${method} ${path}`);
  }
  // Nor do the pages: their addresses lead to nothing.
  await page.frames()[1].evaluate((id) => { window.location.hash = `#/webhooks/${id}`; }, endpoint.id);
  await see(page.frameLocator('waybell-portal iframe'), /not found|does not exist|There is no|could not be found/i);
  assert.equal(await page.frameLocator('waybell-portal iframe').getByText('Confidential').count(), 0);
});

s.journey('who may only look is offered nothing else, and can do nothing else', async (visit) => {
  await s.api.agent({ id: 'looks', name: 'Looks' });
  const endpoint = await s.api.endpoint('looks', { url: s.receiver.hook('/looks', 500).url, generate_secret: true, retry: { schedule_seconds: [3600] } });
  await s.api.publish('looks', { event: 'lead.submit', data: { name: 'Ada' } });
  await until('it failed once', async () => (await s.api.ledger('looks')).retrying === 1);
  const [delivery] = await s.api.deliveries('looks');
  const visitor = await visit();
  const token = tokenOf(visitor.page);
  const page = await s.portal(visitor, 'looks', '/', { capabilities: ['view'] });
  const may = new Api(s.server.url, await token);
  const absent = async (...names) => {
    for (const name of names) {
      for (const role of ['button', 'link', 'menuitem']) assert.equal(await page.getByRole(role, { name }).count(), 0, `${role} ${name}`);
    }
  };
  await see(page.getByRole('row'), '/looks');
  await page.getByRole('columnheader', { name: 'Last attempt' }).waitFor(); // its delivery is tried again
  await absent(/New webhook/);
  await page.getByRole('button', { name: /^Actions for/ }).click();
  await page.getByRole('menuitem', { name: 'Copy id' }).waitFor();
  await absent(/Edit/, /Pause/, /Delete/, /Rotate/, /Send test/);
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: /looks/ }).first().click();
  await see(page, 'Activity');
  await absent(/^Edit/, /^Pause/, /^Test$/);
  await page.getByRole('link', { name: 'Security' }).click();
  await see(page, /A secret is set. You may not see it here/);
  await absent(/Reveal/, /Rotate/, /Remove/);
  await page.getByRole('link', { name: 'Deliveries', exact: true }).first().click();
  await page.getByRole('link', { name: /^Retrying/ }).click();
  await see(page.getByRole('dialog'), 'Attempt 1');
  await absent(/^Re-send/, /Cancel delivery/);
  await see(page.getByRole('dialog'), 'Your link lets you look, but not re-send.');

  const at = '/v1/agents/looks';
  const rights = [
    ['secrets:read', 'GET', `${at}/endpoints/${endpoint.id}/secret`],
    ['secrets:write', 'POST', `${at}/endpoints/${endpoint.id}/secret/rotate`, { generate_secret: true }],
    ['endpoints:write', 'PATCH', `${at}/endpoints/${endpoint.id}`, { description: 'Changed' }],
    ['endpoints:write', 'POST', `${at}/endpoints/${endpoint.id}/pause`],
    ['endpoints:write', 'POST', `${at}/inboxes`, {}],
    ['deliveries:write', 'POST', `${at}/deliveries/${delivery.id}/retry`],
    ['deliveries:write', 'POST', `${at}/endpoints/${endpoint.id}/test`, {}],
  ];
  for (const [scope, method, path, body] of rights) {
    await assert.rejects(may.call(method, path, body), (error) => error.status === 403 && error.problem.detail.includes(scope), `${method} ${path}`);
  }
  await may.get(`${at}/deliveries`);
  // Nobody gets more than the platform's key has, or a capability that is not there.
  await assert.rejects(s.api.post(`${at}/portal-sessions`, { capabilities: ['everything'] }), (error) => error.status === 422);
});

s.journey('each capability opens its own door and no other', async (visit) => {
  await s.api.agent({ id: 'doors', name: 'Doors' });
  const endpoint = await s.api.endpoint('doors', { url: s.receiver.hook('/doors', 500).url, generate_secret: true, retry: { schedule_seconds: [3600] } });
  await s.api.publish('doors', { event: 'lead.submit', data: { name: 'Ada' } });
  await until('it failed once', async () => (await s.api.ledger('doors')).retrying === 1);
  const [delivery] = await s.api.deliveries('doors');
  const offers = {
    view_secrets: { path: `/webhooks/${endpoint.id}/security`, name: 'Reveal' },
    manage_secrets: { path: `/webhooks/${endpoint.id}/security`, name: 'Rotate…' },
    manage_endpoints: { path: `/webhooks/${endpoint.id}`, name: 'Pause' },
    resend: { path: `/deliveries/${delivery.id}`, name: 'Re-send' },
  };
  for (const capability of all.slice(1)) {
    const page = await s.portal(await visit(), 'doors', '/', { capabilities: ['view', capability] });
    for (const [other, { path, name }] of Object.entries(offers)) {
      await page.evaluate((hash) => { window.location.hash = hash; }, `#${path}`);
      if (path.startsWith('/deliveries')) await see(page.getByRole('dialog'), 'Attempt 1');
      else if (path.endsWith('security')) await see(page, 'Signature checker');
      else await see(page, 'Activity');
      assert.equal(await page.getByRole('button', { name, exact: true }).count() > 0, other === capability, `${capability}: ${name}`);
    }
  }
});

s.journey('a link that was laid aside for a minute is refused, with the same words', async (visit) => {
  await until('the minute is over', () => Date.now() > Date.parse(early.expires_at), 90_000);
  const visitor = await visit();
  visitor.allow(answered(401));
  await visitor.page.goto(early.url);
  await visitor.page.getByRole('heading', { name: 'This link does not work any more' }).waitFor();
  const refusal = (key) => s.api.as(null).post('/v1/sessions', { key }).then(assert.fail, ({ status, problem: { request_id: _, ...rest } }) => ({ status, ...rest }));
  const expired = await refusal(new URL(early.url).hash.slice(5));
  assert.equal(expired.code, 'session_key_invalid');
  assert.deepEqual(expired, await refusal(`wbo_${'0'.repeat(40)}`));
});
