// Accessibility, judged by axe-core.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { patience, within } from './wait.mjs';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The rules whose verdict hangs on colours; all others say the same in every theme. */
export const colours = ['color-contrast', 'link-in-text-block'];

/**
 * All rules of axe-core, best practices too, on what a page or frame shows now.
 * Gives one readable text per violated rule; none is the only good answer.
 * @param {import('playwright-core').Page | import('playwright-core').Frame} page
 * @param {string[] | undefined} rules only these
 */
export async function violations(page, rules) {
  if (await page.evaluate(() => typeof axe === 'undefined')) await page.evaluate(`(() => { ${source} })()`);
  const found = await within(patience, `${page.url()} is judged`, page.evaluate(async (rules) => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'], iframes: false, ...(rules && { runOnly: rules }) });
    return violations.map(({ id, impact, help, nodes }) => ({
      id, impact, help,
      nodes: nodes.map((n) => ({ target: n.target.join(' '), html: n.html, why: n.failureSummary })),
    }));
  }, rules));
  return found.map(({ id, impact, help, nodes }) => {
    const shown = nodes.slice(0, 5).map((n) => `    ${n.target}\n      ${n.html.slice(0, 200)}\n      ${n.why.replaceAll('\n', '\n      ')}`);
    return `${id} (${impact}): ${help}, ${nodes.length} times\n${shown.join('\n')}`;
  });
}
