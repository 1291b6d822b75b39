// Ways in: a link that is pasted into a tab that has the page already, an API
// key, and what of either stays behind.
import assert from 'node:assert/strict';
import { answered, suite } from '../support/suite.mjs';
import { apiKey } from '../support/server.mjs';

const s = suite();

const kept = (page) => page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));
const signedIn = (page) => page.getByRole('button', { name: 'Sign out' }).waitFor();
const hash = (page) => page.evaluate(() => location.hash);

s.journey('a link works in a tab that shows the sign-in page', async (visit) => {
  const visitor = await visit();
  const { page } = visitor;
  await page.goto(`${s.base}/console/`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  const { hash: key } = new URL(await s.api.consoleLink());
  await page.evaluate((fragment) => { location.hash = fragment; }, key);
  await signedIn(page);
  assert.ok(!(await hash(page)).includes('key='), 'the key is still in the address');
  assert.ok(!(await kept(page)).includes('wbo_'));
  // Nor is it in the history: going back and forth does not show it.
  await page.goBack();
  await page.goForward();
  assert.ok(!page.url().includes('wbo_'));
});

s.journey('a broken link says so', async (visit) => {
  const visitor = await visit();
  visitor.allow(answered(401));
  await visitor.page.goto(`${s.base}/console/#key=%`);
  await visitor.page.getByRole('heading', { name: 'This link does not work any more' }).waitFor();
  assert.equal(await hash(visitor.page), '#/');
});

s.journey('an API key is changed for a session and not kept', async (visit) => {
  const { page } = await visit();
  await page.goto(`${s.base}/console/`);
  await page.getByLabel('API key').fill(apiKey);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await signedIn(page);
  const after = await kept(page);
  assert.ok(!after.includes(apiKey), 'the key is kept');
  assert.match(after, /wbs_/);
  const asked = page.waitForRequest((request) => request.url().endsWith('/v1/session'));
  await page.reload();
  assert.match(await (await asked).headerValue('authorization'), /^Bearer wbs_/);
  await signedIn(page);
});

s.journey('a key that is no operator\'s is forgotten with the page', async (visit) => {
  const { page } = await visit();
  const { key } = await s.api.post('/v1/keys', { name: 'reader', scopes: ['endpoints:read', 'deliveries:read'] });
  await page.goto(`${s.base}/console/`);
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await signedIn(page);
  assert.ok(!(await kept(page)).includes(key));
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});
