// Rows that appear by themselves, and come back when the server does.
import assert from 'node:assert/strict';
import { mark, notReloaded, see } from '../support/read.mjs';
import { suite, unreachable } from '../support/suite.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
const rowsOf = (page, name) => page.getByRole('group', { name }).getByRole('listitem');
const shows = (page, name, count) => until(`${count} rows are shown`, async () => (await rowsOf(page, name).count()) === count);

async function agent(id) {
  await s.api.agent({ id, name: id });
  const hook = s.receiver.hook(`/${id}`);
  await s.api.endpoint(id, { url: hook.url });
  return hook;
}

s.journey('deliveries appear in the log and on the live page without a reload', async (visit) => {
  const hook = await agent('appear');
  const log = await s.portal(await visit(), 'appear', '/deliveries');
  const live = await s.portal(await visit(), 'appear', '/live');
  await see(log, 'Nothing was sent yet');
  await see(live, 'Waiting for something to happen');
  await see(live, 'Connected');
  await Promise.all([mark(log), mark(live)]);
  for (let i = 0; i < 3; i++) await s.api.publish('appear', { event: 'lead.submit', data: { i } });
  await shows(log, 'Deliveries', 3);
  await until('all are delivered', async () => (await rowsOf(log, 'Deliveries').getByRole('link', { name: /^Delivered/ }).count()) === 3);
  await until('live shows the attempts', async () => (await rowsOf(live, 'Live deliveries').getByText('Delivered').count()) >= 3);
  await Promise.all([notReloaded(log), notReloaded(live)]);
  assert.equal(hook.requests.length, 3);
  // The links say which delivery they are, also to those who hear nothing else of the row.
  const whole = /^Delivered lead\.submit 127\.0\.0\.1:\d+ ?\/appear$/;
  assert.equal(await rowsOf(log, 'Deliveries').getByRole('link', { name: whole }).count(), 3);
  await rowsOf(live, 'Live deliveries').getByRole('link', { name: whole }).first().waitFor();
  await live.setViewportSize({ width: 320, height: 640 });
  assert((await rowsOf(live, 'Live deliveries').getByText('/appear').first().boundingBox()).width > 0, 'the webhook is not in sight');

  // What is paused waits, and says how much.
  await live.getByRole('button', { name: 'Pause' }).click();
  const before = await rowsOf(live, 'Live deliveries').count();
  await s.api.publish('appear', { event: 'message.sent', data: { n: 1 } });
  await see(live, /^Paused: \d+ more came/);
  assert.equal(await rowsOf(live, 'Live deliveries').count(), before);
  await live.getByRole('button', { name: 'Continue' }).click();
  await until('what waited is shown', async () => (await rowsOf(live, 'Live deliveries').count()) > before);
});

s.journey('a reader who scrolled down is told of new rows, and not moved', async (visit) => {
  await agent('reader');
  await s.api.publishAll(Array.from({ length: 60 }, (_, i) => ({ agent_id: 'reader', event: 'lead.submit', data: { i } })));
  await s.api.settled('reader');
  const page = await s.portal(await visit(), 'reader', '/deliveries');
  await see(page, '60 deliveries');
  const box = page.getByRole('group', { name: 'Deliveries' });
  await box.evaluate((e) => e.scrollTo(0, 900));
  const top = () => box.evaluate((e) => {
    const y = e.getBoundingClientRect().top;
    return [...e.querySelectorAll('[role=listitem]')].find((row) => row.getBoundingClientRect().bottom > y + 1)?.querySelector('a')?.dataset.id;
  });
  const reading = await until('a row is at the top', top);
  await s.api.publish('reader', { event: 'message.sent', data: { n: 1 } });
  const news = page.getByRole('button', { name: '1 new delivery' });
  await news.waitFor();
  assert.equal(await top(), reading);
  await news.click();
  await until('the new row is in sight', async () => (await rowsOf(page, 'Deliveries').first().getByText('message.sent').count()) > 0);
});

s.journey('an open delivery and a webhook show their changes as they happen', async (visit) => {
  const hook = await agent('watched');
  hook.answer = 500;
  const [endpoint] = await s.api.all('/v1/agents/watched/endpoints');
  await s.api.patch(`/v1/agents/watched/endpoints/${endpoint.id}`, { retry: { schedule_seconds: [3600] } });
  await s.api.publish('watched', { event: 'lead.submit', data: { n: 1 } });
  await hook.received(1);
  const page = await s.portal(await visit(), 'watched', '/deliveries');
  await rowsOf(page, 'Deliveries').getByRole('link', { name: /^Retrying 1 of 2, next in/ }).click();
  const drawer = page.getByRole('dialog');
  await see(drawer, 'Attempt 2 follows in');
  await mark(page);
  hook.mend();
  const [delivery] = await s.api.deliveries('watched');
  await s.api.post(`/v1/agents/watched/deliveries/${delivery.id}/retry`);
  await see(drawer, /^The receiver answered HTTP 200 .* at attempt 2/);
  await notReloaded(page);

  const list = await s.portal(await visit(), 'watched', '/webhooks');
  const row = list.getByRole('row').filter({ hasText: '/watched' });
  await see(row, 'Active');
  await s.api.post(`/v1/agents/watched/endpoints/${endpoint.id}/pause`);
  await see(row, 'Paused');
});

s.journey('after the server was away, the pages catch up by themselves', async (visit) => {
  const hook = await agent('away');
  const [logs, lives] = [await visit(), await visit()];
  for (const visitor of [logs, lives]) visitor.allow(unreachable, /responded with a status of (502|503)/);
  const log = await s.portal(logs, 'away', '/deliveries');
  const live = await s.portal(lives, 'away', '/live');
  await see(live, 'Connected');
  await Promise.all([mark(log), mark(live)]);
  await s.api.publish('away', { event: 'lead.submit', data: { turn: 1 } });
  await shows(log, 'Deliveries', 1);

  await s.server.stop();
  await see(log, /^Live updates are interrupted|^The server cannot be reached/);
  await see(live, 'Reconnecting');
  await s.server.start();
  // The stream is new: what happened before it is read anew, what happens now arrives by it.
  await s.api.publish('away', { event: 'lead.submit', data: { turn: 2 } });
  await hook.received(2);
  await shows(log, 'Deliveries', 2);
  await see(live, 'Connected');
  await s.api.publish('away', { event: 'message.sent', data: { turn: 3 } });
  await shows(log, 'Deliveries', 3);
  await until('live shows it, too', async () => (await rowsOf(live, 'Live deliveries').getByText('message.sent').count()) > 0);
  await Promise.all([notReloaded(log), notReloaded(live)]);
  await until('the banner is gone', async () => (await log.getByText(/interrupted|cannot be reached/).count()) === 0);
});
