import type { Endpoint, Format, FormatSignature, Ledger, Preview } from "../../../core/types.ts";
import type { EndpointHealth } from "../../../core/types-server.ts";
import { adviceFor, heldText, ledgerSum } from "./advice.ts";
import { headerLines, headerOf } from "./headers.ts";
import { dataProblems, readObject } from "./json.ts";
import { fit, isEd25519, languages, ownSchemes, type Recipe, recipeFor, signingsOf, vectorOf } from "./verification.ts";

// The pages are compiled without the types of Node.js, so its modules come untyped.
const node = (name: string): Promise<any> => import(`node:${name}`);
const { test } = await node("test");
const assert = await node("assert/strict");
const { createHmac } = await node("crypto");
const { readFileSync } = await node("fs");

/** The tests run in web/. */
const example = (recipe: Recipe, id: (typeof languages)[number]["id"]): string =>
  readFileSync(`../examples/verify/${recipe.example}/${id}/${languages.find((l) => l.id === id)?.file}`, "utf8");

function recipeOf(signature: FormatSignature): Recipe {
  const recipe = recipeFor(signature);
  if (recipe === null) throw new Error(`no example fits ${signature.header}`);
  return recipe;
}

const now = Date.parse("2026-11-22T00:00:00Z");
const endpoint: Endpoint = {
  id: "ep_1", agent_id: "a", url: "https://example.com/hook", description: "", enabled: true, events: ["*"], profile: "standard", method: "POST",
  timeout_seconds: 30, headers: [], format: "standard", signed: true,
    previous_secret_until: null, include_messages: false, standard_headers: true,
  retry: { policy: "standard", schedule_seconds: [5], window_seconds: 86_400 }, rate_limit_per_second: null, concurrency: null,
  state: "active", state_reason: null, state_since: null, created_at: "2026-11-21T00:00:00Z", updated_at: "2026-11-21T00:00:00Z", warnings: [],
};
const health: EndpointHealth = {
  endpoint_id: "ep_1", delivered: 0, failed: 12, error_rate: 1, points: [], last_attempt_at: null, last_delivered_at: null, last_failed_at: null,
  last_reason: "http_status", last_status_code: 503, failing_since: "2026-11-21T22:00:00Z", consecutive_failures: 12, health: "failing",
};
const ledger: Ledger = { accepted: 21, pending: 1, retrying: 2, delivered: 3, failed: 4, held: 5, canceled: 6 };

const words = (e: Endpoint, h?: EndpointHealth, l?: Ledger): string =>
  adviceFor({ endpoint: e, health: h, ledger: l }, now).map((a) => `${a.id}: ${a.title}. ${a.text.map((p) => p.text).join(" ")} [${a.remedies.join()}]`).join("\n");

test("a webhook in order needs no advice", () => {
  assert.deepEqual(adviceFor({ endpoint, health: { ...health, health: "ok" }, ledger }, now), []);
  assert.deepEqual(adviceFor({ endpoint, health: undefined, ledger: undefined }, now), []);
});

test("each state says why and what to do", () => {
  assert.match(words(endpoint, health), /^failing: The receiver is not available \(503\)\. The last 12 attempts failed, the first of them 2 hr\. ago\..*\[failures\]$/);
  assert.match(words({ ...endpoint, state: "suspended", state_reason: "410 Gone", state_since: "2026-11-21T23:00:00Z" }, health, ledger), /^suspended: Sending was stopped 1 hr\. ago\. 410 Gone\. Mend .* 5 deliveries are held until it is resumed\. \[resume,edit\]$/);
  assert.match(words({ ...endpoint, state: "paused" }, undefined, { ...ledger, held: 1 }), /^paused: Paused\. 1 delivery is held/);
  assert.match(words({ ...endpoint, events: [] }), /^no_events: .*\[events\]$/);
  assert.match(words({ ...endpoint, state: "disabled" }), /^disabled: .*\[enable\]$/);
});

test("an unsigned webhook is told beside its state", () => {
  assert.deepEqual(adviceFor({ endpoint: { ...endpoint, signed: false, state: "paused" }, health: undefined, ledger }, now).map((a) => a.id), ["paused", "unsigned"]);
});

test("the ledger adds up", () => {
  assert.equal(ledgerSum(ledger), ledger.accepted);
  assert.equal(heldText({ ...ledger, held: 0 }), "Nothing is held yet; new deliveries wait until it is resumed.");
});

const standard: FormatSignature = { header: "webhook-signature", scheme: "standard", algorithm: "hmac-sha256", key: "whsec", signed: "id.timestamp.body", encoding: "base64", prefix: "v1," };
const chatzuri: FormatSignature = { header: "X-Chatzuri-Signature", scheme: "chatzuri", algorithm: "hmac-sha256", key: "utf8", signed: "body", encoding: "hex", prefix: "sha256=" };
const chatislav: FormatSignature = { ...chatzuri, header: "x-chatislav-signature", scheme: "chatislav", prefix: "" };
const acme: FormatSignature = { ...chatzuri, header: "X-Acme-Signature", scheme: "acme", prefix: "hmac=" };

test("the built-in formats have their own examples, unchanged", () => {
  for (const [example, signature] of Object.entries({ standard, chatzuri, chatislav })) {
    assert.deepEqual(recipeFor(signature), { example, replace: [] });
  }
});

test("what is signed in another way has no example", () => {
  for (const other of [{ algorithm: "hmac-sha512" }, { encoding: "base64" }, { key: "whsec" }, { header: 'X-"; drop' }, { prefix: "${x}" }] as const) {
    assert.equal(recipeFor({ ...chatzuri, ...other }), null, JSON.stringify(other));
  }
  assert.equal(recipeFor({ ...standard, prefix: "v2," }), null);
});

test("every example has the names that a format may replace, once and in quotes", () => {
  for (const { id } of languages) {
    for (const [signature, own] of [[{ ...standard, header: "X-Acme" }, standard], [acme, chatzuri], [{ ...chatislav, header: "X-Acme" }, chatislav]] as const) {
      const recipe = recipeOf(signature);
      const source = example(recipe, id);
      const fitted = fit(source, recipe);
      assert.ok(fitted.includes(signature.header), `${recipe.example} in ${id}`);
      assert.ok(!fitted.includes(own.header), `${recipe.example} in ${id} keeps ${own.header}`);
      assert.equal(fitted.split("\n").length, source.split("\n").length);
      for (const { to } of recipe.replace) assert.equal(fitted.split(`"${to}"`).length + fitted.split(`'${to}'`).length, 3, `${to} in ${id}`);
    }
  }
});

test("a fitted example verifies the format's own header", async () => {
  const recipe = recipeOf(acme);
  const code = fit(example(recipe, "javascript"), recipe);
  const { verify } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const digest = createHmac("sha256", "the secret").update("{}").digest("hex");
  assert.equal(verify("the secret", { "x-acme-signature": `hmac=${digest}` }, "{}"), true);
  assert.equal(verify("the secret", { "x-acme-signature": `sha256=${digest}` }, "{}"), false);
  assert.equal(verify("the secret", { "x-chatzuri-signature": `hmac=${digest}` }, "{}"), false);
});

const format = (name: string, signature: FormatSignature | null): Format => ({ name, signature, ed25519: name === "standard", standard_headers_optional: true, event_names: {}, content_type: "application/json" });
const formats = [format("standard", standard), format("chatzuri", chatzuri), format("acme", acme), format("bare", null)];

test("a webhook's signatures: its format's own first, then the standard one", () => {
  const headers = (e: Partial<Endpoint>) => signingsOf({ ...endpoint, ...e }, formats).map((s) => s.signature.header);
  assert.deepEqual(headers({}), ["webhook-signature"]);
  assert.deepEqual(headers({ format: "acme" }), ["X-Acme-Signature", "webhook-signature"]);
  assert.deepEqual(headers({ format: "acme", standard_headers: false }), ["X-Acme-Signature"]);
  assert.deepEqual(headers({ format: "bare", standard_headers: false }), []);
});

test("the checker knows the server's own formats", () => {
  assert.deepEqual(Object.keys(ownSchemes(formats)), ["acme"]);
  assert.equal(ownSchemes(formats)["acme"]?.header, "X-Acme-Signature");
  assert.equal(ownSchemes(formats)["acme"]?.key_derivation, "utf8");
});

const preview: Preview = {
  valid: true, errors: [], warnings: [], example_secret: "whsec_eA==",
  endpoint: { profile: "standard", format: "standard", method: "POST", timeout_seconds: 30, include_messages: false, standard_headers: true, retry: endpoint.retry, url: null },
  request: { method: "POST", url: null, body: "{}", headers: { "Content-Type": "application/json", "webhook-id": "evt_1", "webhook-timestamp": "1795305480", "webhook-signature": "v1,x", "X-Acme-Signature": "hmac=y" } },
};

test("a test vector holds what a verification reads, and no more", () => {
  assert.deepEqual(vectorOf(preview, standard), { secret: "whsec_eA==", body: "{}", now: 1_795_305_480, headers: { "webhook-id": "evt_1", "webhook-timestamp": "1795305480", "webhook-signature": "v1,x" } });
  assert.deepEqual(vectorOf(preview, acme), { secret: "whsec_eA==", body: "{}", now: null, headers: { "X-Acme-Signature": "hmac=y" } });
  assert.equal(vectorOf({ ...preview, example_secret: null }, standard), null);
  assert.equal(vectorOf({ ...preview, request: null }, standard), null);
  assert.equal(isEd25519(preview), false);
  assert.equal(isEd25519({ ...preview, example_secret: "whsk_eA==" }), true);
});

test("headers as lines, and looked up in any case", () => {
  assert.equal(headerLines({ A: "1", b: "2" }), "A: 1\nb: 2");
  assert.equal(headerOf({ "Webhook-Id": "x" }, "webhook-ID"), "x");
});

test("JSON that cannot be sent says why and where", () => {
  const why = (text: string): string => {
    const parsed = readObject(text);
    return parsed.ok ? "" : parsed.message;
  };
  assert.equal(why('{"a": 1}'), "");
  assert.match(why(""), /Write a JSON object/);
  assert.match(why("[1]"), /begin with \{/);
  assert.match(why("null"), /begin with \{/);
  assert.match(why('{"a": 1,\n "b": }'), /line 2, column 7/);
  assert.match(why('{"a": 1'), /line 1, column 8/);
  assert.match(why('{"a": 1,}'), /line 1, column 9/);
  assert.match(why("{'a': 1}"), /line 1, column 2/);
  assert.match(why('{"a": [1 2]}'), /line 1, column 10/);
  assert.match(why('{"a": "x\\y"}'), /line 1, column 7/);
  assert.match(why('{"a": {}} {'), /line 1, column 11/);
  assert.match(why("[".repeat(200_000)), /line 1, column 514/);
});

test("the server's errors about the data, by their paths", () => {
  const errors = [
    { location: "body.data.email", message: "must be a string" },
    { location: "body.data.items[2].price", message: "is required" },
    { location: "body.data", message: "is too large" },
    { location: "body.database", message: "is not known" },
    { location: "body.endpoint.url", message: "is required" },
  ];
  assert.deepEqual(dataProblems(errors).map((p) => p.path), ["email", "items[2].price", ""]);
});
