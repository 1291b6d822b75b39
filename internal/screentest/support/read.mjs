// Reading a page as people do.
import assert from 'node:assert/strict';
import { eventually, until } from './wait.mjs';

/** Waits until a text is in sight, and gives where it is. */
export async function see(scope, text) {
  const found = scope.getByText(text).filter({ visible: true }).first();
  await found.waitFor();
  return found;
}

/** Waits until a text is not in sight. */
export async function gone(scope, text) {
  await until(`${text} is gone`, async () => (await scope.getByText(text).filter({ visible: true }).count()) === 0);
}

/** The part of a page below a heading: what holds both. */
export const part = (page, name) => page.locator('section, article, fieldset, .card').filter({ has: page.getByRole('heading', { name, exact: true }) }).last();

/** Where the keyboard is: "" if it is nowhere, which is to say on the body. */
export const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: active, body, documentElement } = document;
    if (active === null || active === body || active === documentElement) return '';
    return `${active.tagName.toLowerCase()}#${active.id} ${(active.getAttribute('aria-label') ?? active.textContent ?? '').trim().slice(0, 60)}`;
  });

/** Presses a key and holds that the keyboard is still somewhere. */
export async function press(page, ...keys) {
  for (const key of keys) {
    await page.keyboard.press(key);
    await eventually(async () => assert.notEqual(await focused(page), '', `after ${key} the focus is on the body`), 5_000);
  }
}

/** Sets something in the page that a reload would take away. */
export const mark = (page) => page.evaluate(() => { window.marked = true; });

export async function notReloaded(page) {
  assert.equal(await page.evaluate(() => window.marked), true, 'the page was loaded anew');
}
