// What every file of journeys starts with: a server, a receiver, a browser, and
// pages that are held to the rules of the screens.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Api } from './api.mjs';
import { Receiver } from './receiver.mjs';
import { Server, apiKey } from './server.mjs';
import { patience, until, within } from './wait.mjs';

/** How long a journey may take before it is told where it hangs; a file has longer. */
const longest = 240_000;

/** No service of the browser's own, no accelerated graphics, no name but loopback. */
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.*, EXCLUDE localhost',
];

export const desktop = { width: 1440, height: 900 };
export const phone = { width: 390, height: 844 };

/** What the browser writes to the console when a call is answered with an error status. */
export const answered = (...statuses) => new RegExp(`responded with a status of (${statuses.join('|')}) `);
/** What it writes when the server is away or ends a stream. */
export const unreachable = /net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|SOCKET_NOT_CONNECTED)/;

/** Runs in the page, before its own scripts. */
function setClock(ahead) {
  const Right = Date;
  window.Date = class extends Right {
    constructor(...given) {
      super(...(given.length === 0 ? [Right.now() + ahead] : given));
    }

    static now() {
      return Right.now() + ahead;
    }
  };
}

/**
 * One person's browser window. Whatever breaks a rule is collected, and fails
 * the journey at its end.
 */
export class Visitor {
  problems = [];
  #allowed = [];
  #origins;

  /** `ahead` is how many milliseconds the browser's clock is wrong; further options are the browser's. */
  static async open(browser, { origins, ahead = 0, ...options }) {
    const visitor = new Visitor();
    visitor.#origins = new Set(origins);
    const context = await browser.newContext({
      viewport: desktop, locale: 'en-GB', timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', colorScheme: 'light',
      acceptDownloads: true, ...options,
    });
    context.setDefaultTimeout(patience);
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (e) =>
        console.error(`policy violated: ${e.effectiveDirective} by ${e.blockedURI} at ${e.sourceFile}:${e.lineNumber}`),
      );
    });
    if (ahead !== 0) await context.addInitScript(setClock, ahead);
    context.on('console', (message) => {
      if (['error', 'warning', 'assert'].includes(message.type())) {
        visitor.#note(`console ${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    context.on('weberror', (error) => visitor.#note(`exception: ${error.error().stack ?? error.error()}`));
    context.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (/^(http|ws)s?:$/.test(protocol) && !visitor.#origins.has(origin)) visitor.#note(`request outside: ${request.url()}`);
    });
    visitor.context = context;
    visitor.page = await context.newPage();
    return visitor;
  }

  #note(problem) {
    if (!this.#allowed.some((pattern) => pattern.test(problem))) this.problems.push(problem);
  }

  /** Throws if a rule was broken until now. */
  hold() {
    if (this.problems.length > 0) throw new Error(`the page broke the rules:\n${this.problems.join('\n')}`);
  }

  /** From now on such a problem is what the journey is about. */
  allow(...patterns) {
    this.#allowed.push(...patterns);
  }
}

/**
 * Starts everything before the first journey of a file and ends it after the last.
 * @param {{ settings?: object | (() => object | Promise<object>), theme?: string }} options `settings` of the server
 */
export function suite({ settings = {} } = {}) {
  const s = {
    /** @type {Server} */ server: null,
    /** @type {Api} */ api: null,
    /** @type {Receiver} */ receiver: null,
    browser: null,
    /** Where the screens are, if not at the server's own address. */
    base: null,
    /** Origins besides the server's that pages may use. */
    origins: [],
  };

  before(async () => {
    const given = typeof settings === 'function' ? await settings() : settings;
    [s.server, s.receiver, s.browser] = await Promise.all([
      Server.start(given),
      Receiver.start(),
      chromium.launch({ executablePath: process.env.WAYBELL_CHROMIUM, headless: true, args: flags }),
    ]);
    s.base ??= s.server.url;
    s.api = new Api(s.server.url, apiKey);
  });

  after(async () => {
    await Promise.allSettled([s.browser?.close(), s.receiver?.close()]);
    await s.server?.close();
  });

  /** One journey; `go` gets a function that opens a browser window for a further person. */
  s.journey = (name, go) =>
    test(name, async (t) => {
      const visitors = [];
      const visit = async (choice = {}) => {
        const visitor = await Visitor.open(s.browser, { origins: [new URL(s.base).origin, ...s.origins], ...choice });
        visitors.push(visitor);
        return visitor;
      };
      try {
        await within(longest, name, go(visit, t));
        for (const visitor of visitors) {
          if (!visitor.page.isClosed()) await visitor.page.evaluate(() => 0); // what was reported before has arrived
          visitor.hold();
        }
      } catch (error) {
        const seen = await describe(visitors, name);
        error.message += seen; // one kind of report shows this,
        error.stack += seen; // another that
        throw error;
      } finally {
        await Promise.all(visitors.map((v) => v.context.close()));
      }
    });

  /** Signs in to the console as the operator does, by a link, and goes to a page. */
  s.console = async (visitor, path = '/') => {
    const link = await s.api.consoleLink();
    await enter(visitor.page, s.base, link, path);
    return visitor.page;
  };

  /** Signs in to an agent's portal, outside of any frame. */
  s.portal = async (visitor, agent, path = '/', input = {}) => {
    const link = await s.api.portalLink(agent, input);
    await enter(visitor.page, s.base, link, path);
    return visitor.page;
  };

  return s;
}

/** Follows a sign-in link, whose address may be another than the one under test, then goes to a page. */
export async function enter(page, base, link, path) {
  const at = new URL(link);
  const shell = /\/(console|portal)\/$/.exec(at.pathname)[1];
  await page.goto(`${base}/${shell}/${at.hash}`);
  await page.getByRole('navigation').first().waitFor();
  if (path !== '/') await goto(page, path);
}

/** Goes to a page of the shell that is shown, without loading it anew. */
export async function goto(page, path) {
  await page.evaluate((hash) => {
    window.location.hash = hash;
  }, `#${path}`);
}

/**
 * Takes calls of the page that is shown out of the server's hands. The browser tells
 * its renderer of that without waiting: what the page asks at once would still reach
 * the server, so this waits until a call of its own does not.
 */
export async function intercept(page, url, handler, options) {
  const probe = (asked) => asked.search === '?intercepted';
  await page.route(url, handler, options);
  await page.route(probe, (route) => route.fulfill({ status: 204 }));
  await until('calls are intercepted', () => page.evaluate(async () => (await fetch(new URL('/livez?intercepted', location.href))).status === 204));
  await page.unroute(probe);
}

/** What was on the screens when a journey failed: for the report, with a picture in the artifacts. */
async function describe(visitors, name) {
  let text = '';
  for (const [i, { page, problems }] of visitors.entries()) {
    if (page.isClosed()) continue;
    text += `\n--- screen ${i + 1} at ${page.url()}`;
    for (const problem of problems) text += `\n    ${problem}`;
    try {
      text += `\n${await page.locator('body').ariaSnapshot({ timeout: 5000 })}`;
      if (process.env.WAYBELL_ARTIFACTS) {
        mkdirSync(process.env.WAYBELL_ARTIFACTS, { recursive: true });
        const file = join(process.env.WAYBELL_ARTIFACTS, `${name.replaceAll(/\W+/g, '-')}-${i + 1}.png`);
        await page.screenshot({ path: file });
        text += `\npicture: ${file}`;
      }
    } catch (error) {
      text += `\n(${error.message})`;
    }
  }
  return text;
}
