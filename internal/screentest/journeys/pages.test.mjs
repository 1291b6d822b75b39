// Every page of the console, as all readers see it.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { seed } from '../support/seed.mjs';
import { goto, suite } from '../support/suite.mjs';
import { survey } from '../support/survey.mjs';

const s = suite();

s.journey('an empty console is accessible in both themes and fits all widths', async (visit) => {
  const page = await s.console(await visit());
  const found = [];
  for (const [name, path, text] of [['overview-empty', '/', 'Create an agent'], ['agents-empty', '/agents', 'There is no agent yet']]) {
    await goto(page, path);
    await see(page, text);
    found.push(...(await survey(page, name)));
  }
  assert.deepEqual(found, []);
});

s.journey('the operator\'s pages are accessible in both themes and fit all widths', async (visit) => {
  const { busy } = await seed(s.api, s.receiver);
  const page = await s.console(await visit());
  const found = [];
  for (const [name, path, text] of [
    ['overview', '/', 'Webhooks in trouble'],
    ['agents', '/agents', 'Padaria Aurora'],
    ['settings-keys', '/settings/keys', 'New API key'],
    ['settings-portal', `/settings/portal?agent=${busy}`, 'Embed it in your product'],
    ['settings-branding', '/settings/branding', 'Accent'],
    ['system', '/system', 'Checks'],
    ['no-such-page', '/nowhere', 'There is no such page'],
  ]) {
    await goto(page, path);
    await see(page, new RegExp(text, 'i'));
    found.push(...(await survey(page, name)));
  }
  assert.deepEqual(found, []);
});

s.journey('the pages of those who are not signed in are accessible and fit all widths', async (visit) => {
  const visitor = await visit();
  visitor.allow(/status of 401/);
  const { page } = visitor;
  const found = [];
  for (const [name, url, heading] of [
    ['sign-in', `${s.server.url}/console/`, 'Sign in'],
    ['link-used', `${s.server.url}/console/#key=wbo_used`, 'This link does not work any more'],
    ['portal-no-link', `${s.server.url}/portal/`, 'Open your webhooks from your platform'],
  ]) {
    await page.goto('about:blank');
    await page.goto(url);
    await page.getByRole('heading', { name: heading }).waitFor();
    found.push(...(await survey(page, name)));
  }
  assert.deepEqual(found, []);
});
