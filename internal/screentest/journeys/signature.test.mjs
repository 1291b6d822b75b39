// The signature checker and the examples of a webhook's own page.
import assert from 'node:assert/strict';
import { see } from '../support/read.mjs';
import { verifies } from '../support/receiver.mjs';
import { goto, suite } from '../support/suite.mjs';
import { until } from '../support/wait.mjs';

const s = suite();
const box = (page, name) => page.getByLabel(name, { exact: true }).and(page.locator('textarea, input'));
const verdicts = (page) => page.locator('[aria-live=polite]').filter({ hasText: 'Checked as' });

async function received(id, input) {
  await s.api.agent({ id, name: id });
  const hook = s.receiver.hook(`/${id}`);
  const endpoint = await s.api.endpoint(id, { url: hook.url, generate_secret: true, ...input });
  await s.api.publish(id, { event: 'lead.submit', data: { name: 'Grüße 🌍', note: 'a  b' } });
  const [request] = await hook.received(1);
  return { endpoint, request, hook };
}

const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\n');

s.journey('the checker says yes to a good request, and why not to a tampered one', async (visit) => {
  const { endpoint, request } = await received('checker');
  assert(verifies(request, endpoint.secret));
  const visitor = await visit();
  const page = await s.portal(visitor, 'checker', `/webhooks/${endpoint.id}/security`);
  await see(page, 'The verdict appears here');
  const sent = [];
  page.on('request', (r) => sent.push((r.postData() ?? '') + r.url()));
  await box(page, 'Headers').fill(lines(request.headers));
  await box(page, 'Body').fill(request.body);
  await see(page, 'Now paste the secret.');
  await box(page, 'Secret').fill(endpoint.secret);
  const verdict = async (word) => until(`the verdict is ${word}`, async () => {
    const codes = await verdicts(page).locator('code').allInnerTexts();
    return codes.includes(word);
  });
  await verdict('ok');

  await box(page, 'Body').fill(request.body.replace('a  b', 'a b'));
  await until('it is refused', async () => !(await verdicts(page).locator('code').allInnerTexts()).includes('ok'));
  await see(verdicts(page), /body/i);
  await box(page, 'Body').fill(request.body);
  await verdict('ok');
  await box(page, 'Secret').fill('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  await until('the wrong secret is refused', async () => !(await verdicts(page).locator('code').allInnerTexts()).includes('ok'));
  await box(page, 'Secret').fill(endpoint.secret);
  await box(page, 'Headers').fill(lines({ ...request.headers, 'webhook-timestamp': String(Number(request.headers['webhook-timestamp']) + 1) }));
  await until('another time is refused', async () => !(await verdicts(page).locator('code').allInnerTexts()).includes('ok'));
  const { 'webhook-signature': _, ...unsigned } = request.headers;
  await box(page, 'Headers').fill(lines(unsigned));
  await until('without a signature it is refused', async () => !(await verdicts(page).innerText().catch(() => 'none')).includes('verdict ok'));
  assert(!sent.some((text) => text.includes(endpoint.secret)), 'the secret was sent somewhere');

  // A delivery of the log fills it in; the webhook's own secret is fetched by a click.
  const [delivery] = await s.api.deliveries('checker');
  await goto(page, `/deliveries/${delivery.id}`);
  await page.getByRole('link', { name: 'Check the signature' }).click();
  await see(page, `Filled in from the last attempt of the delivery ${delivery.id}.`);
  await page.getByRole('button', { name: "Use this webhook's secret" }).click();
  await verdict('ok');
});

s.journey('the examples show the webhook\'s own headers, and their test vector fits', async (visit) => {
  const page = await s.portal(await visit(), (await received('standard')).endpoint.agent_id);
  const languages = ['JavaScript', 'TypeScript', 'Python', 'PHP', 'Go', 'Ruby', 'Java', 'C#', 'Rust'];
  const examples = async (endpoint, header, all) => {
    await goto(page, `/webhooks/${endpoint.id}/security`);
    await page.getByRole('heading', { name: 'Verify our signature' }).waitFor();
    for (const language of all) {
      await page.getByText(language, { exact: true }).click();
      const code = page.getByRole('group', { name: new RegExp(`^${language.replace(/\W/g, '\\$&')}: `) });
      await until(`${language} checks ${header}`, async () => (await code.innerText()).toLowerCase().includes(header));
      assert((await code.innerText()).length > 300);
    }
    await page.getByText('Test vector: try your code before we send anything').click();
    await page.getByRole('button', { name: 'Try it in the checker' }).click();
    await see(page, 'Filled in from the test vector.');
    await until('it fits', async () => (await verdicts(page).locator('code').allInnerTexts()).includes('ok'));
  };
  const [standard] = await s.api.all('/v1/agents/standard/endpoints');
  await examples(standard, 'webhook-signature', languages);

  // A profile with a signature of its own has both, to choose from.
  const own = await s.api.endpoint('standard', { url: s.receiver.hook('/own').url, profile: 'chatzuri', generate_secret: true });
  await goto(page, `/webhooks/${own.id}/security`);
  await see(page, 'Requests of this webhook carry 2 signatures.');
  const chooser = page.getByRole('group', { name: 'Signature header' });
  const names = (await chooser.locator('label').allInnerTexts()).map((name) => name.trim().toLowerCase());
  assert.deepEqual([...names].sort(), ['webhook-signature', 'x-chatzuri-signature']);
  await chooser.getByText(/x-chatzuri-signature/i).click();
  const code = page.getByRole('group', { name: /^Rust: |^JavaScript: / });
  await until('the example checks the header that was chosen', async () => (await code.innerText()).toLowerCase().includes('x-chatzuri-signature'));
});

s.journey('a key pair shows its public half, and the checker knows it', async (visit) => {
  const { endpoint, request } = await received('pair', { generate_secret: 'ed25519' });
  const page = await s.portal(await visit(), 'pair', `/webhooks/${endpoint.id}/security`);
  await page.getByRole('button', { name: 'Show keys' }).click();
  const publicKey = (await page.getByText(/^whpk_/).first().innerText()).trim();
  await box(page, 'Headers').fill(lines(request.headers));
  await box(page, 'Body').fill(request.body);
  await box(page, 'Secret').fill(publicKey);
  await until('it fits', async () => (await verdicts(page).locator('code').allInnerTexts()).includes('ok'));
  await box(page, 'Body').fill(`${request.body} `);
  await until('one space more does not', async () => !(await verdicts(page).locator('code').allInnerTexts()).includes('ok'));
});
