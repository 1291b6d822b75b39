// What others send is shown as text, whatever it is made of.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { goto, suite } from '../support/suite.mjs';
import { eventually, until } from '../support/wait.mjs';

const s = suite();
const image = '<img src=x onerror="window.hacked=1">';
const script = '</script><script>window.hacked=2</script>';
const link = 'javascript:window.hacked=3';
const quote = '"\'><svg onload="window.hacked=4">';
const nasty = `${image}${script} ${link} ${quote}`;

/** Nothing ran, and nothing of it became an element. */
async function harmless(page, where) {
  const found = await page.evaluate(() => ({
    hacked: window.hacked,
    elements: [...document.querySelectorAll('[onerror], [onload], img[src="x"], a[href^="javascript:" i], iframe, object, embed')].map((e) => e.outerHTML),
    scripts: [...document.scripts].filter((e) => e.src === '').map((e) => e.outerHTML),
  }));
  assert.deepEqual(found, { hacked: undefined, elements: [], scripts: [] }, where);
}

s.journey('hostile names, descriptions, events, headers and answers are text on every page', async (visit) => {
  const id = 'hostile';
  await s.api.agent({ id, name: `Agent ${image}` });
  await s.api.put('/v1/event-types/evil.markup', {
    description: `What happens: ${image}`, example: { note: nasty },
    schema: { type: 'object', description: quote, properties: { note: { type: 'string', description: nasty }, [quote]: { type: 'string' } } },
  });
  const hook = s.receiver.hook('/hostile/%3Cimg%20src=x%3E', {
    status: 500, headers: { 'content-type': 'text/html', 'x-answer': nasty, 'location': link }, body: `<html><body>${nasty}</body></html>`,
  });
  const endpoint = await s.api.endpoint(id, { url: `${hook.url}?next=${encodeURIComponent(link)}&x=%22%3E%3Csvg%20onload=1%3E`, description: nasty, events: ['evil.markup'], retry: { schedule_seconds: [3600] }, headers: [{ name: 'X-Custom', value: '<b>a-header-of-their-own</b>' }] });
  const inbox = await s.api.post(`/v1/agents/${id}/inboxes`, { name: `Inbox ${image}` });
  await fetch(inbox.url, { method: 'POST', headers: { 'x-note': nasty, 'content-type': 'text/html' }, body: nasty });
  await s.api.publish(id, { event: 'evil.markup', data: { note: nasty, [quote]: nasty } });
  await hook.received(1);
  await eventually(async () => assert.equal((await s.api.ledger(id)).retrying, 1));
  const [delivery] = await s.api.deliveries(id);
  await s.api.post('/v1/keys', { name: `Key ${image}`, scopes: ['events:write'] });

  const page = await s.console(await visit());
  const dialogs = [];
  page.on('dialog', (dialog) => { dialogs.push(dialog.message()); void dialog.dismiss(); });
  const at = `/agents/${id}`;
  for (const [path, text] of [
    ['/agents', `Agent ${image}`],
    [`${at}/webhooks`, nasty],
    [`${at}/webhooks/${endpoint.id}`, nasty],
    [`${at}/webhooks/${endpoint.id}/edit`, `What happens: ${image}`],
    [`${at}/webhooks/${endpoint.id}/testing?event=evil.markup`, /window\.hacked/],
    [`${at}/webhooks/${endpoint.id}/security?delivery=${delivery.id}`, 'Signature checker'],
    [`${at}/deliveries/${delivery.id}`, `<html><body>${nasty}</body></html>`],
    [`${at}/live`, 'Live'],
    [`${at}/catalogue`, `What happens: ${image}`],
    [`${at}/catalogue/evil.markup`, /window\.hacked/],
    [`${at}/inbox`, `Inbox ${image}`],
    [`${at}/inbox/${inbox.id}`, /window\.hacked/],
    ['/settings/keys', `Key ${image}`],
    ['/settings/portal?agent=hostile', `Agent ${image}`],
    ['/', 'Overview'],
  ]) {
    await goto(page, path);
    await see(page, text);
    await harmless(page, path);
  }

  // Dialogs quote what they are about.
  await goto(page, '/agents');
  await page.getByRole('button', { name: `Actions for Agent ${image}` }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  await see(page.getByRole('dialog'), `Delete Agent ${image}?`);
  await harmless(page, 'the question before an agent is deleted');
  await page.keyboard.press('Escape');

  // Test answers are shown in place, search words come back from the address, and the checker shows what was pasted.
  await goto(page, `${at}/webhooks/${endpoint.id}/testing?event=evil.markup`);
  await page.getByRole('button', { name: 'Send test' }).click();
  await see(page, `<html><body>${nasty}</body></html>`);
  await goto(page, `${at}/webhooks?search=${encodeURIComponent(nasty)}`);
  await page.getByRole('searchbox').waitFor();
  await goto(page, `${at}/webhooks/${endpoint.id}/security`);
  await page.getByRole('textbox', { name: 'Headers', exact: true }).fill(`webhook-id: ${image}\nwebhook-timestamp: ${quote}\nwebhook-signature: v1,${image}`);
  await page.getByRole('textbox', { name: 'Body', exact: true }).fill(nasty);
  await page.getByRole('textbox', { name: 'Secret', exact: true }).fill('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  await see(page, 'Checked as');
  await goto(page, `${at}/${encodeURIComponent(nasty)}`);
  await see(page, 'There is no such page');
  await harmless(page, 'an address that leads nowhere');
  assert.deepEqual(dialogs, []);
});

s.journey('a platform\'s name and colour come from its settings, and hostile ones stay text', async (visit) => {
  await s.api.put('/v1/branding', { name: `Shop ${image}`.slice(0, 60), accent: '#7a2e8e' });
  await s.api.agent({ id: 'brand', name: 'Brand' });
  const page = await s.portal(await visit(), 'brand');
  await see(page, /^Shop <img src=x/);
  await harmless(page, 'the name of the platform');
  await s.api.put('/v1/branding', { name: 'Shop', accent: '#7a2e8e' });
  await page.reload();
  await page.getByRole('link', { name: 'Shop', exact: true }).waitFor();
  await until('the title has the name', async () => / · Shop$/.test(await page.title()));
});

s.journey('a key in an address of the wrong kind does nothing', async (visit) => {
  const visitor = await visit();
  visitor.allow(/status of 401/);
  const { page } = visitor;
  await page.goto(`${s.server.url}/portal/#key=${encodeURIComponent(nasty)}`);
  await see(page, 'This link does not work any more');
  await harmless(page, 'the page of a wrong link');
  await page.goto(`${s.server.url}/console/?x=${encodeURIComponent(nasty)}#/${encodeURIComponent(nasty)}`);
  await see(page, 'Sign in');
  await harmless(page, 'an address of somebody who is not signed in');
});
