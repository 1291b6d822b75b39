import { explain } from "./explain.ts";
import type { Attempt, Reason } from "./types.ts";

// The pages are compiled without the types of Node.js, so its modules come untyped.
const node = (name: string): Promise<any> => import(`node:${name}`);
const { test } = await node("test");
const assert = await node("assert/strict");

interface Shown {
  readonly url?: string;
  readonly error?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly wait?: number;
}

function attempt(reason: Reason, status: number | null, shown: Shown = {}): Attempt {
  return {
    number: 1, started_at: "2026-04-26T08:30:14.000Z", duration_ms: 30_000, status_code: status, reason, error: shown.error ?? null,
    request: { method: "POST", url: shown.url ?? "https://a.example/hook", headers: {}, body: "{}" },
    response: status === null ? null : { headers: shown.headers ?? {}, body: shown.body ?? "", truncated: false },
    timing_ms: { dns: 0, connect: 0, tls: 0, wait: shown.wait ?? 0, read: 0 },
  };
}

const reasons: readonly Reason[] = ["http_status", "timeout", "dns", "connect", "tls", "connection_lost", "bad_response", "blocked", "gone", "expired", "canceled"];

test("every failure has a title, a cause and a fix", () => {
  for (const reason of reasons) {
    const statuses = reason === "http_status" ? Array.from({ length: 500 }, (_, i) => i + 100).filter((s) => s < 200 || s > 299) : [null];
    for (const status of statuses) {
      const why = explain(reason, status, attempt(reason, status));
      if (why === null) return assert.fail(`${reason} ${status}`);
      for (const text of [why.title, why.cause, why.fix]) assert.match(text, /^[A-Z].{8,}/, `${reason} ${status}`);
      for (const text of [why.cause, why.fix]) assert.match(text, /\.$/, `${reason} ${status}`);
      if (status !== null) assert.ok(why.title.includes(String(status)), `${status}: ${why.title}`);
    }
  }
  assert.equal(explain("delivered", 200), null);
});

test("what the attempt shows makes it exact", () => {
  const cases: readonly (readonly [Reason, number | null, Shown, RegExp])[] = [
    ["timeout", null, { error: "the time limit passed while connecting" }, /firewall drops our packets/],
    ["timeout", null, { error: "the time limit passed while the host name was being resolved" }, /name servers/],
    ["timeout", null, { error: "the time limit passed before the response headers were complete", wait: 30_000 }, /said nothing for 30 s/],
    ["tls", null, { error: "the receiver's certificate has expired or is not valid yet" }, /certificate has expired/],
    ["tls", null, { error: "the receiver's certificate is not valid for this host name" }, /another host name/],
    ["tls", null, { error: "the receiver's certificate is not signed by a trusted authority" }, /full chain/],
    ["tls", null, { error: "the receiver does not speak TLS on this port" }, /does not speak https/],
    ["dns", null, { error: "the host name has no address" }, /misspelled/],
    ["connect", null, { url: "https://abc.ngrok-free.app/" }, /tunnel/],
    ["blocked", null, { url: "http://localhost:3000/" }, /make an inbox/],
    ["http_status", 301, { headers: { Location: "https://a.example/hook/" } }, /Only a slash at the end differs: it redirects to https:\/\/a\.example\/hook\//],
    ["http_status", 308, { url: "http://a.example/hook", headers: { location: "https://a.example/hook" } }, /wants https/],
    ["http_status", 302, { headers: { Location: "/login?next=hook" } }, /sign in/],
    ["http_status", 404, { url: "https://n8n.example/webhook-test/1" }, /production URL/],
    ["http_status", 404, { body: '{"message":"The requested webhook \\"POST x\\" is not registered."}' }, /workflow is not active/],
    ["http_status", 404, { body: "Cannot POST /hook" }, /no route/],
    ["http_status", 404, { headers: { "Content-Type": "text/html" }, body: "<html>" }, /web site/],
    ["http_status", 400, { url: "https://hooks.slack.com/services/T/B/x", body: "invalid_payload" }, /Slack does not understand/],
    ["http_status", 404, { url: "https://discord.com/api/webhooks/1/x" }, /does not know this webhook URL/],
    ["http_status", 401, { body: "invalid signature" }, /refused our signature \(401\)/],
    ["http_status", 400, { body: "timestamp too old" }, /too old/],
    ["http_status", 401, { headers: { "WWW-Authenticate": "Basic" } }, /wants credentials/],
    ["http_status", 403, { body: "CSRF verification failed" }, /CSRF/],
    ["http_status", 403, { headers: { "cf-mitigated": "challenge" } }, /human/],
    ["http_status", 405, { headers: { Allow: "GET, PUT" } }, /Change the method/],
    ["http_status", 405, { headers: { Allow: "GET" } }, /page for browsers/],
    ["http_status", 429, { headers: { "Retry-After": "30" } }, /Retry-After: 30/],
    ["http_status", 502, { headers: { "Ngrok-Error-Code": "ERR_NGROK_8012" } }, /tunnel is not connected/],
    ["http_status", 504, { headers: { "X-Vercel-Error": "FUNCTION_INVOCATION_TIMEOUT" } }, /took too long/],
    ["http_status", 522, {}, /did not answer Cloudflare/],
    ["http_status", 500, { body: "SyntaxError: Unexpected token u in JSON" }, /raw body once/],
  ];
  for (const [reason, status, shown, want] of cases) {
    const why = explain(reason, status, attempt(reason, status, shown));
    assert.match(`${why?.title} ${why?.cause} ${why?.fix}`, want, `${reason} ${status} ${JSON.stringify(shown)}`);
  }
});

test("a receiver's answer cannot break the words", () => {
  const long = `https://a.example/${"x".repeat(5_000)}`;
  const tries: readonly Record<string, string>[] = [{ Location: "http://[" }, { Location: long }, { "Retry-After": "x".repeat(5_000) }];
  for (const headers of tries) {
    for (const status of [302, 429]) {
      const why = explain("http_status", status, attempt("http_status", status, { headers }));
      assert.ok(why !== null && (why.cause + why.fix).length < 700);
    }
  }
});
