// The rules that every page is held to, held themselves: each is broken on
// purpose, and has to be noticed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { violations } from '../support/axe.mjs';
import { suite } from '../support/suite.mjs';
import { fourViews, survey } from '../support/survey.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
const origin = (server) => `http://127.0.0.1:${server.address().port}`;
let pages;
let elsewhere;

const broken = {
  error: `console.error('something went wrong')`,
  warning: `console.warn('something is odd')`,
  exception: `setTimeout(() => { throw new Error('thrown on purpose') })`,
  rejection: `Promise.reject(new Error('rejected on purpose'))`,
  policy: `document.body.setAttribute('style', 'color: red')`,
  missing: `fetch('/nothing-there')`,
  outside: `void fetch('ELSEWHERE/', { mode: 'no-cors' })`,
};
const noticed = {
  error: /console error: something went wrong/,
  warning: /console warning: something is odd/,
  exception: /exception: .*thrown on purpose/,
  rejection: /exception: .*rejected on purpose/,
  policy: /policy violated: style-src/,
  missing: /status of 404/,
  outside: /request outside: http:\/\/127/,
};

before(async () => {
  elsewhere = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  pages = createServer((request, response) => {
    const name = request.url.slice(1);
    response.setHeader('Content-Security-Policy', `default-src 'self' ${origin(elsewhere)}; style-src 'self'`);
    if (name in broken) {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<!doctype html><html lang="en"><title>${name}</title><link rel="icon" href="/icon"><p>${name}</p><script src="/${name}.js"></script></html>`);
    } else if (name.endsWith('.js')) {
      response.setHeader('Content-Type', 'text/javascript');
      response.end(broken[name.slice(0, -3)].replace('ELSEWHERE', origin(elsewhere)));
    } else response.writeHead(name === 'icon' ? 204 : 404).end();
  }).listen(0, '127.0.0.1');
  await once(pages, 'listening');
  s.origins.push(origin(pages));
});

after(() => {
  pages?.close();
  elsewhere?.close();
});

for (const [name, pattern] of Object.entries(noticed)) {
  s.journey(`a page with the fault "${name}" is noticed`, async (visit) => {
    const visitor = await visit();
    await visitor.page.goto(`${origin(pages)}/${name}`);
    await until(`${pattern} is noticed`, () => visitor.problems.some((p) => pattern.test(p)));
    visitor.problems.length = 0;
  });
}

s.journey('a journey on a page that breaks a rule fails', async (visit, t) => {
  const visitor = await visit();
  await visitor.page.goto(`${origin(pages)}/warning`);
  await until('the warning is noticed', () => visitor.problems.length > 0);
  await assert.rejects(async () => visitor.hold(), /something is odd/);
  visitor.problems.length = 0;
});

s.journey('what is inaccessible is named', async (visit) => {
  const { page } = await visit();
  await page.setContent('<html><body><img src="data:,"><button></button></body></html>');
  const found = (await violations(page)).map((v) => v.split(' ')[0]);
  for (const rule of ['image-alt', 'button-name', 'html-has-lang', 'document-title']) assert(found.includes(rule), `${rule} is not among ${found}`);
});

s.journey('a survey sees both themes and all widths', async (visit) => {
  const { page } = await visit();
  await page.setContent(`<!doctype html><html lang="en"><title>Survey</title><style>
    @media (prefers-color-scheme: dark) { p { color: #777; background: #666 } }
    @media (max-width: 400px) { p { width: 500px } }
  </style><main><h1>Survey</h1><p>Words</p></main></html>`);
  const found = await survey(page, 'example', fourViews);
  const has = (pattern) => found.some((f) => pattern.test(f));
  assert(has(/^example-1440-dark: color-contrast/) && has(/^example-390-dark: color-contrast/), found.join('\n'));
  assert(has(/^example-390-light: scrolls sideways/) && has(/^example-320: scrolls sideways/), found.join('\n'));
  assert(!has(/light: color/) && !has(/1440-\w+: scrolls/), found.join('\n'));
});
