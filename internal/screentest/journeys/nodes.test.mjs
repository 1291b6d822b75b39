// Two nodes on one database: whichever is asked, it is one Waybell.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Api } from '../support/api.mjs';
import { mark, notReloaded, see } from '../support/read.mjs';
import { Server, apiKey } from '../support/server.mjs';
import { enter, suite } from '../support/suite.mjs';
import { eventually, until } from '../support/wait.mjs';

const s = suite({ settings: { 'node-name': 'north' } });

/** The second node, with the API and the screens of its own address. */
const south = { server: null, api: null };

before(async () => {
  south.server = await Server.start({ 'node-name': 'south' });
  south.api = new Api(south.server.url, apiKey);
});

after(() => south.server?.close());

/** A window on the screens of a node, by a link that the other one made. */
async function console(visit, node, maker, path) {
  const { page } = await visit({ origins: [node.server.url] });
  await enter(page, node.server.url, await maker.api.consoleLink(), path);
  return page;
}

/** What a node of the table says, "" if it is not there. */
const node = async (page, name) => {
  const rows = await page.getByRole('table', { name: 'Nodes' }).getByRole('row').allInnerTexts();
  return rows.find((text) => text.includes(name)) ?? '';
};

/** Waits until the first node has said so many times more that it lives, which is every 2 seconds. */
async function heartbeats(count) {
  const seen = async () => (await s.api.get('/v1/nodes')).data.find((n) => n.this).seen_at;
  for (let i = 0; i < count; i++) {
    const before = await seen();
    await until('the node sends a heartbeat', async () => (await seen()) !== before);
  }
}

s.journey('the System page shows both nodes, and which of them answers', async (visit) => {
  for (const [here, there, name, other] of [[s, south, 'north', 'south'], [south, s, 'south', 'north']]) {
    const page = await console(visit, here, there, '/system');
    await eventually(async () => {
      assert.match(await node(page, name), /Answers this page.*API and delivery.*Living/s);
      assert.match(await node(page, other), /API and delivery.*Living/s);
      assert.doesNotMatch(await node(page, other), /Answers this page/);
    });
    assert.equal(await page.getByRole('table', { name: 'Nodes' }).getByRole('row').count(), 3, 'a heading and two nodes');
  }
});

s.journey('a webhook made at one node gets what is published at the other', async () => {
  await s.api.agent({ id: 'both', name: 'Both' });
  const hook = s.receiver.hook('/both');
  await s.api.endpoint('both', { url: hook.url });
  // Whoever publishes need not know at which node the webhook was made.
  await until('the other node knows the agent', () => south.api.get('/v1/agents/both'), 1000);
  await south.api.publish('both', { event: 'lead.submit', data: { at: 'south' } });
  await hook.received(1);
  await s.api.publish('both', { event: 'lead.submit', data: { at: 'north' } });
  await hook.received(2);
  for (const { api } of [s, south]) {
    const { accepted, delivered } = await api.settled('both');
    assert.deepEqual({ accepted, delivered }, { accepted: 2, delivered: 2 });
    assert.equal((await api.deliveries('both')).length, 2);
  }
  assert.equal(hook.requests.length, 2);
});

s.journey('the log of one node shows what the other delivers, without a reload', async (visit) => {
  await s.api.agent({ id: 'seen', name: 'Seen' });
  const hook = s.receiver.hook('/seen');
  await s.api.endpoint('seen', { url: hook.url });
  await until('the other node knows the agent', () => south.api.get('/v1/agents/seen'), 1000);
  const page = await s.portal(await visit(), 'seen', '/deliveries');
  await see(page, 'Nothing was sent yet');
  await mark(page);
  await heartbeats(2); // what others do is followed from a second after the first look
  await south.api.publish('seen', { event: 'lead.submit', data: { name: 'Amara' } });
  await hook.received(1);
  const rows = page.getByRole('group', { name: 'Deliveries' }).getByRole('listitem');
  await until('the delivery is shown', async () => (await rows.filter({ hasText: 'lead.submit' }).getByRole('link', { name: /^Delivered/ }).count()) === 1);
  await notReloaded(page);
});

s.journey('a key that is revoked at one node ends at the other within 5 seconds', async () => {
  const { id, key } = await s.api.post('/v1/keys', { name: 'short-lived', scopes: ['admin'] });
  await until('the key works at the other node', () => south.api.as(key).get('/v1/nodes'), 1000);
  await s.api.delete(`/v1/keys/${id}`);
  const refused = async () => {
    try {
      await south.api.as(key).get('/v1/nodes');
      return false;
    } catch (error) {
      if (error.status !== 401) throw error;
      return true;
    }
  };
  await until('the key is refused', refused, 5000);
});

s.journey('a node that ends leaves the table, and the other goes on', async (visit) => {
  const page = await s.console(await visit(), '/system');
  await eventually(async () => assert.match(await node(page, 'south'), /Living/));
  await south.server.stop();
  await until('it is gone', async () => (await node(page, 'south')) === '');
  assert.match(await node(page, 'north'), /Answers this page.*Living/s);
  const hook = s.receiver.hook('/both');
  await s.api.publish('both', { event: 'lead.submit', data: { at: 'north' } });
  await until('it is delivered', () => hook.requests.length === 3);

  // One that dies is seen to have done so until the other has taken over.
  await south.server.start();
  await eventually(async () => assert.match(await node(page, 'south'), /Living/));
  await south.server.stop('SIGKILL');
  await until('it is dead, or taken over', async () => !/Living/.test(await node(page, 'south')));
});
