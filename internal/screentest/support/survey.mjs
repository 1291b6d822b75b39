// Looks at a page as all readers see it: both themes, wide and narrow.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { colours, violations } from './axe.mjs';
import { desktop, phone } from './suite.mjs';
import { patience, within } from './wait.mjs';

/**
 * All views, and for what opens over a page those that have both themes and both
 * widths. These are enough too where the same pages are shown over another store:
 * style sheets do not know it.
 */
export const twoViews = [[desktop, 'light'], [phone, 'dark']];
export const fourViews = [[desktop, 'light'], [desktop, 'dark'], [phone, 'light'], [phone, 'dark']];
export const everyView = process.env.TEST_STORE ? twoViews : fourViews;

/**
 * What is wrong with the page that is shown: violations of axe's rules, and
 * content that makes a page scroll sideways. A picture of each view is kept
 * where WAYBELL_SCREENSHOTS says.
 * @param {import('playwright-core').Page} page
 * @param {string} name of the page, for the report and the pictures
 */
export async function survey(page, name, views = everyView) {
  const found = [];
  const judged = new Set();
  for (const [viewport, colorScheme] of views) {
    const view = `${name}-${viewport.width}-${colorScheme}`;
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await settle(page);
    const rules = judged.has(viewport.width) ? colours : undefined; // of one width, themes differ in colours alone
    judged.add(viewport.width);
    found.push(...(await violations(page, rules)).map((v) => `${view}: ${v}`));
    const wide = await sideways(page);
    if (wide) found.push(`${view}: scrolls sideways: ${wide}`);
    if (process.env.WAYBELL_SCREENSHOTS) await picture(page, view);
  }
  // The narrowest screen that the pages promise to fit.
  await page.setViewportSize({ width: 320, height: 640 });
  await settle(page);
  const wide = await sideways(page);
  if (wide) found.push(`${name}-320: scrolls sideways: ${wide}`);
  await page.setViewportSize(desktop);
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  return found;
}

/** Has fonts there, what moves at its end, and the page painted so. */
async function settle(page) {
  await within(patience, `${page.url()} is at rest`, page.evaluate(async () => {
    // A browser that is short of time may leave frames out.
    const frame = () => Promise.race([new Promise(requestAnimationFrame), new Promise((done) => setTimeout(done, 1000))]);
    await document.fonts.ready;
    // What ends may begin something: colours that fade, inside of others that do.
    for (let still = 0; still < 2; ) {
      await frame();
      const moving = document.getAnimations().filter((a) => a.playState === 'running' && a.effect?.getComputedTiming().endTime !== Infinity);
      still = moving.length === 0 ? still + 1 : 0;
      for (const a of moving) a.finish(); // the end of it is what is looked at, and a browser that paints nothing gets to none
    }
  }));
}

/** The elements that stick out of a page that scrolls sideways; "" if it does not. */
async function sideways(page) {
  return page.evaluate(() => {
    const root = document.scrollingElement;
    if (root.scrollWidth <= root.clientWidth) return '';
    const out = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1);
    const name = (e) => e.tagName.toLowerCase() + (e.className && typeof e.className === 'string' ? `.${e.className.split(' ').join('.')}` : '');
    return `${root.scrollWidth} of ${root.clientWidth} px by ${out.slice(0, 5).map(name).join(', ')}`;
  });
}

async function picture(page, view) {
  mkdirSync(process.env.WAYBELL_SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.WAYBELL_SCREENSHOTS, `${view}.png`), animations: 'disabled', caret: 'hide' });
}
