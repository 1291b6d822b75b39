// Looks at a page as all readers see it: both themes, wide and narrow.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { colours, violations } from './axe.mjs';
import { desktop, phone } from './suite.mjs';

const themes = ['light', 'dark'];

/**
 * What is wrong with the page that is shown: violations of axe's rules, and
 * content that makes a page scroll sideways. A picture of each view is kept
 * where WAYBELL_SCREENSHOTS says.
 * @param {import('playwright-core').Page} page
 * @param {string} name of the page, for the report and the pictures
 */
export async function survey(page, name) {
  const found = [];
  for (const viewport of [desktop, phone]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of themes) {
      const view = `${name}-${viewport.width}-${colorScheme}`;
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await settle(page);
      found.push(...(await violations(page, colorScheme === 'light' ? undefined : colours)).map((v) => `${view}: ${v}`));
      if (process.env.WAYBELL_SCREENSHOTS) await picture(page, view);
    }
    const wide = await sideways(page);
    if (wide) found.push(`${name}-${viewport.width}: scrolls sideways: ${wide}`);
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

/** Waits until fonts are there, what moves has arrived, and the page was painted so. */
async function settle(page) {
  await page.evaluate(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await document.fonts.ready;
    await frame();
    await Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished));
    await frame();
  });
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
