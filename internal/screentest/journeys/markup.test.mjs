// Text never becomes markup: all pages work where the browser forbids it, and
// what others name things is shown as they wrote it.
import assert from 'node:assert/strict';
import { goto, suite } from '../support/suite.mjs';

const s = suite();
const hostile = '<img src=x onerror=alert(1)><script>alert(1)</script>';

s.journey('names and payloads with markup in them are text on every page', async (visit) => {
  const { page } = await visit();
  let alerts = 0;
  page.on('dialog', (dialog) => {
    alerts++;
    void dialog.dismiss();
  });
  await s.api.agent({ id: 'a1', name: hostile });
  const inbox = await s.api.post('/v1/agents/a1/inboxes', { name: hostile });
  const endpoint = await s.api.endpoint('a1', { url: inbox.url, description: hostile });
  await s.api.publish('a1', { event: 'lead.submit', data: { name: hostile, [hostile]: hostile } });
  await s.console({ page });
  for (const path of [
    '/', '/agents', '/system', '/settings', '/agents/a1/live', '/agents/a1/webhooks', '/agents/a1/webhooks/new', `/agents/a1/webhooks/${endpoint.id}`,
    `/agents/a1/webhooks/${endpoint.id}/edit`, '/agents/a1/deliveries', '/agents/a1/inbox', `/agents/a1/inbox/${inbox.id}`, '/agents/a1/catalogue',
  ]) {
    await goto(page, path);
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    assert.equal(await page.locator('main img, main script').count(), 0, path);
  }
  assert.equal(alerts, 0);
});

s.journey('the browser refuses to make markup of text', async (visit) => {
  const visitor = await visit();
  visitor.allow(/require-trusted-types-for|TrustedHTML/);
  const page = await s.console(visitor);
  const refused = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>x</b>';
      return '';
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(refused, 'TypeError');
});
