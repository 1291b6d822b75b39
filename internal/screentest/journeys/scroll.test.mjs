// 10,000 deliveries: the log stays quick, whatever its length.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { suite } from '../support/suite.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
const many = 10_000;

/** What the page's main thread has worked until now, in milliseconds of its own: other programs do not count. */
async function worked(page) {
  const { metrics } = await page.metrics.send('Performance.getMetrics');
  return metrics.find((m) => m.name === 'TaskDuration').value * 1000;
}

/** Records the work, long tasks and the gaps between frames from now on. */
async function watch(page) {
  if (!page.metrics) {
    page.metrics = await page.context().newCDPSession(page);
    await page.metrics.send('Performance.enable', { timeDomain: 'threadTicks' });
  }
  page.before = await worked(page);
  await page.evaluate(() => {
    const seen = { gaps: [], long: [], running: true };
    window.watched = seen;
    new PerformanceObserver((list) => seen.long.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({ type: 'longtask' });
    let last = performance.now();
    const frame = (now) => {
      seen.gaps.push(now - last);
      last = now;
      if (seen.running) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

async function watched(page) {
  const work = (await worked(page)) - page.before;
  const seen = await page.evaluate(() => {
    const { gaps, long } = window.watched;
    window.watched.running = false;
    const sorted = [...gaps].sort((a, b) => a - b);
    const at = (part) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]);
    return { frames: gaps.length, median: at(0.5), p95: at(0.95), worst: at(1), tasks: long.length, longest: Math.max(0, ...long) };
  });
  return { ...seen, work: Math.round(work), perFrame: Math.round((work / seen.frames) * 10) / 10 };
}

s.journey('10,000 deliveries scroll without jank, from the first to the last', async (visit, t) => {
  const { id } = await s.api.agent({ id: 'many', name: 'Many' });
  const endpoint = await s.api.endpoint(id, { url: s.receiver.hook('/many').url });
  await s.api.post(`/v1/agents/${id}/endpoints/${endpoint.id}/pause`); // held: they are there, and nothing is sent meanwhile
  await s.api.publishAll(Array.from({ length: many }, (_, i) => ({ agent_id: id, event: 'lead.submit', data: { number: i } })));
  const page = await s.portal(await visit(), id, '/deliveries');
  const box = page.getByRole('group', { name: 'Deliveries' });
  const rows = box.getByRole('listitem');
  await rows.first().waitFor();
  const [, , empty] = [await see(page, '100 deliveries loaded'), await rows.count(), await page.evaluate(() => document.querySelectorAll('*').length)];
  const firstId = await rows.first().getByRole('link').getAttribute('data-id');

  // Down to the end: more are loaded on the way.
  await watch(page);
  await box.hover();
  await until('the last row is reached', async () => {
    await box.evaluate((e) => e.scrollBy(0, e.scrollHeight));
    return (await rows.last().getAttribute('aria-posinset')) === String(many);
  }, 90_000);
  const loading = await watched(page);
  t.diagnostic(`while ${many} rows were loaded: ${JSON.stringify(loading)}`);
  const lastId = await rows.last().getByRole('link').getAttribute('data-id');
  assert.equal(await page.getByText('10,000 deliveries').count(), 1);

  // With all of them there: by the wheel, as people do, and in great leaps.
  await watch(page);
  let nodes = 0;
  for (let i = 0; i < 40; i++) {
    await page.mouse.wheel(0, -1_500);
    nodes = Math.max(nodes, await page.evaluate(() => document.querySelectorAll('*').length));
  }
  for (const part of [0.9, 0.1, 0.7, 0.3, 0.5]) {
    await box.evaluate((e, at) => e.scrollTo(0, e.scrollHeight * at), part);
    await until('the rows of the place are there', async () => {
      const [place, shown] = await Promise.all([box.evaluate((e) => Math.floor(e.scrollTop / (e.scrollHeight / 10_000)) + 2), rows.first().getAttribute('aria-posinset')]);
      return Math.abs(place - Number(shown)) < 30;
    });
  }
  const scrolling = await watched(page);
  t.diagnostic(`while they were scrolled: ${JSON.stringify(scrolling)}, ${nodes} elements`);

  // What a frame costs hangs on the page alone. The clock runs while other programs work, too: its bounds are wide.
  assert(nodes < empty + 600, `${nodes} elements, ${empty} at first`);
  assert(await rows.count() < 80, 'more rows are rendered than fit');
  for (const [name, m] of Object.entries({ loading, scrolling })) {
    assert(m.perFrame <= 40, `${name}: a frame is ${m.perFrame} ms of work`);
    assert(m.median <= 100, `${name}: frames follow each other after ${m.median} ms`);
    assert(m.longest <= 2_500, `${name}: a task takes ${m.longest} ms`);
  }

  await box.evaluate((e) => e.scrollTo(0, 0));
  await until('the first row is back', async () => (await rows.first().getByRole('link').getAttribute('data-id')) === firstId);
  await page.getByRole('searchbox').fill(lastId);
  await until('the last one is found', async () => (await rows.count()) === 1 && (await rows.first().getByRole('link').getAttribute('data-id')) === lastId);
});

s.journey('all of what the filters find can be sent again, after its exact number was said', async (visit) => {
  const { id } = await s.api.agent({ id: 'bulk', name: 'Bulk' });
  const hook = s.receiver.hook('/bulk', 500);
  await s.api.endpoint(id, { url: hook.url, retry: { schedule_seconds: [] } });
  await s.api.publishAll(Array.from({ length: 260 }, (_, i) => ({ agent_id: id, event: i % 13 ? 'lead.submit' : 'message.sent', data: { number: i } })));
  await s.api.settled(id);
  hook.mend();
  const page = await s.portal(await visit(), id, '/deliveries?state=failed&event=lead.submit');
  await see(page, '100 deliveries loaded');
  await page.getByRole('checkbox', { name: 'Select all that are loaded' }).check({ force: true });
  await see(page, '100 selected');
  await page.getByRole('button', { name: 'Select all that fit the filters' }).click();
  await page.getByRole('button', { name: 'Re-send…' }).click();
  await page.getByRole('button', { name: 'Re-send 240 deliveries' }).click();
  await see(page, '240 deliveries are on the way again.');
  await s.api.settled(id);
  assert.equal(hook.requests.length, 500);
  assert.equal((await s.api.ledger(id)).failed, 20);
});
