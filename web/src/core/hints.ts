/**
 * What an attempt itself shows about its failure: our own error text, where the
 * time went, the receiver's headers and the beginning of its answer. The first
 * hint that fits replaces the general cause and fix.
 */
import { milliseconds } from "./format.ts";
import type { Attempt } from "./types.ts";

export interface Hint {
  readonly title?: string;
  readonly cause: string;
  readonly fix: string;
}

/** What the hints look at, read once. */
interface Evidence {
  readonly attempt: Attempt;
  readonly status: number;
  readonly error: string;
  readonly url: string;
  readonly host: string;
  readonly body: string;
  readonly html: boolean;
  readonly header: (name: string) => string;
}

type Rule = (e: Evidence) => Hint | null;

export function hintOf(attempt: Attempt): Hint | null {
  const e = evidence(attempt);
  const rules = attempt.response === null ? unanswered : answered;
  for (const rule of rules) {
    const hint = rule(e);
    if (hint !== null) return hint;
  }
  return null;
}

function evidence(attempt: Attempt): Evidence {
  const headers = new Map(Object.entries(attempt.response?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const header = (name: string): string => headers.get(name) ?? "";
  const body = (attempt.response?.body ?? "").slice(0, 4_096);
  return {
    attempt, header, body,
    status: attempt.status_code ?? 0,
    error: (attempt.error ?? "").toLowerCase(),
    url: attempt.request.url,
    host: (/^[a-z]+:\/\/([^/?#:]+)/i.exec(attempt.request.url)?.[1] ?? "").toLowerCase(),
    html: header("content-type").includes("html") || /^\s*<(!doctype|html)/i.test(body),
  };
}

const unanswered: readonly Rule[] = [
  ({ attempt: a, error }) => (a.reason === "timeout" && error.includes("connecting") ? {
    cause: `No connection came about in ${milliseconds(a.duration_ms)}: a firewall drops our packets, or nothing is at that address.`,
    fix: "Open the port for us in the firewall, and check that the receiver runs at this address.",
  } : null),
  ({ attempt: a, error }) => (a.reason === "timeout" && error.includes("resolved") ? {
    cause: "The name servers of the host did not answer in time.",
    fix: "Check the DNS of the host. If it works elsewhere, this mends itself with the next attempt.",
  } : null),
  ({ attempt: a, error }) => (a.reason === "timeout" && error.includes("tls") ? {
    cause: "The connection was made, but the receiver did not finish the secure handshake.",
    fix: "Check that the port of the URL speaks https, and that the receiver is not overloaded.",
  } : null),
  ({ attempt: a }) => (a.reason === "timeout" && a.timing_ms.wait > 0 ? {
    cause: `The receiver took our request and said nothing for ${milliseconds(a.timing_ms.wait)}. It probably does its work before it answers.`,
    fix: "Answer 200 as soon as the request is stored and do the work afterwards. The timeout can be raised in the webhook's settings, up to 120 seconds.",
  } : null),
  ({ attempt: a, error }) => (a.reason === "dns" && error.includes("has no address") ? {
    cause: "The name does not exist, or has no address: it is misspelled, expired, or was never set up.",
    fix: "Check the spelling of the host in the URL, and that it has an A or AAAA record.",
  } : null),
  ({ attempt: a, error }) => (a.reason === "tls" && error.includes("expired") ? {
    title: "The receiver's certificate has expired",
    cause: "The certificate is too old, or not valid yet; browsers refuse it, too.",
    fix: "Renew the certificate, and check that renewing it by itself works.",
  } : null),
  ({ attempt: a, error }) => (a.reason === "tls" && error.includes("host name") ? {
    title: "The certificate is for another host name",
    cause: "The receiver shows a certificate that does not name the host of the URL.",
    fix: "Use the host name that is in the certificate, or get one for this name.",
  } : null),
  ({ attempt: a, error }) => (a.reason === "tls" && error.includes("authority") ? {
    title: "The certificate is not from a trusted authority",
    cause: "It is self-signed, or the receiver does not send the intermediate certificate with it.",
    fix: "Serve the full chain (often a file named fullchain.pem), or take a certificate of a public authority.",
  } : null),
  ({ attempt: a, error }) => (a.reason === "tls" && error.includes("does not speak") ? {
    title: "The port does not speak https",
    cause: "The URL begins with https://, but the receiver answers without encryption on this port.",
    fix: "Correct the port in the URL, or turn on TLS at the receiver.",
  } : null),
  ({ attempt: a, host }) => (a.reason === "connect" && isTunnel(host) ? {
    cause: "The host is a tunnel, and its program does not run now.",
    fix: "Start the tunnel again; a free one has a new URL each time, so set that one.",
  } : null),
  ({ attempt: a, url }) => (a.reason === "blocked" && /\/\/(localhost|127\.|0\.0\.0\.0|\[::1\])/i.test(url) ? {
    cause: "The URL names this computer: for the server, that is the server itself and not yours.",
    fix: "Use a public URL. For trying things out, make an inbox, or use a tunnel to your computer.",
  } : null),
];

const answered: readonly Rule[] = [
  (e) => (e.header("ngrok-error-code") !== "" ? {
    title: "The tunnel is not connected",
    cause: "ngrok answered in the place of your receiver: the tunnel is closed, or what is behind it does not run.",
    fix: "Start ngrok and your receiver again. A free tunnel has a new URL each time: set that one.",
  } : null),
  (e) => (e.status === 530 || (e.status >= 520 && e.status <= 527) ? cloudflare(e.status) : null),
  (e) => (e.header("cf-mitigated") === "challenge" || /just a moment\.\.\.|attention required! \| cloudflare/i.test(e.body) ? {
    title: "Cloudflare asks us to prove that we are human",
    cause: "Its protection against robots stands before your receiver, and no webhook can solve its puzzle.",
    fix: "Add a rule in Cloudflare that skips the bot protection for the path of this webhook.",
  } : null),
  (e) => (e.header("x-vercel-error") !== "" ? vercel(e.header("x-vercel-error").slice(0, 80)) : null),
  (e) => (e.status === 401 && e.html && /vercel|deployment protection/i.test(e.body + e.header("server")) ? {
    title: "The deployment is protected",
    cause: "Vercel asks visitors of this deployment to sign in, so the request never reaches your code.",
    fix: "Use the URL of the production deployment, or turn the protection off for this path.",
  } : null),
  (e) => (/\/webhook-test\//.test(e.url) && e.status === 404 ? {
    title: "The test URL of the workflow listens no more",
    cause: "A test URL of n8n works once, after a click on its test button.",
    fix: "Activate the workflow and use its production URL: /webhook/ instead of /webhook-test/.",
  } : null),
  (e) => (e.status === 404 && /webhook.{0,80}not registered/i.test(e.body) ? {
    title: "The workflow is not active",
    cause: "The receiver says that this webhook is not registered: its workflow is turned off, or waits for another method.",
    fix: "Activate the workflow, and check that it takes the method of this webhook.",
  } : null),
  (e) => chat(e),
  (e) => redirect(e),
  (e) => (e.status === 405 && e.header("allow") !== "" ? {
    cause: `The receiver takes ${e.header("allow").slice(0, 80)} at this URL, and we sent ${e.attempt.request.method}.`,
    fix: /\b(POST|PUT)\b/.test(e.header("allow")) ? "Change the method in the webhook's settings." : "Check the path: this is probably a page for browsers.",
  } : null),
  (e) => (e.status === 404 && /cannot (post|put) \//i.test(e.body) ? {
    cause: "The application runs, but has no route for this path and method.",
    fix: "Check the path of the URL, character by character, and add a POST route for it in the application.",
  } : null),
  (e) => (e.status === 404 && e.html ? {
    cause: "A web site answered with its page for missing addresses: the path is misspelled, or the route was not deployed.",
    fix: "Check the path of the URL. If the site is static, it cannot receive webhooks: point the URL at your application.",
  } : null),
  (e) => signature(e),
  (e) => (e.status === 403 && /csrf|xsrf|forgery/i.test(e.body) || e.status === 419 ? {
    title: `The receiver's protection of forms refused us (${e.status})`,
    cause: "Its framework wants a CSRF token, which only its own pages have.",
    fix: "Exempt the path of this webhook from the CSRF check; the signature protects it instead.",
  } : null),
  (e) => (e.status === 429 && e.header("retry-after") !== "" ? {
    cause: `Its rate limit is lower than the rate of your events; it asked us to wait (Retry-After: ${e.header("retry-after").slice(0, 40)}).`,
    fix: "Set a rate limit on the webhook that is below the receiver's; what waits is sent later.",
  } : null),
  (e) => (e.status === 500 && /unexpected (token|end of json)|json\.?decode|json parse|invalid json/i.test(e.body) ? {
    cause: "The receiver failed to read the body as JSON; often it was read or parsed once before.",
    fix: "Read the raw body once, check the signature over it, then parse it.",
  } : null),
  (e) => (e.status === 500 && /undefined|null ?(pointer|reference)|nonetype|keyerror|cannot read propert/i.test(e.body) ? {
    cause: "The receiver's code met a value that is missing; its answer below names it.",
    fix: "Compare the field that it names with the body that we sent, mend the code, then re-send.",
  } : null),
  (e) => ([502, 503, 504].includes(e.status) && /heroku|render\.com|railway|fly\.io/i.test(`${e.header("server")} ${e.header("via")} ${e.body}`) ? {
    cause: "The platform that runs your receiver says that the application is not there: it crashed, sleeps, or is being deployed.",
    fix: "Look into the application's log on that platform. A sleeping free plan may need longer than the timeout to wake up.",
  } : null),
];

function redirect(e: Evidence): Hint | null {
  const to = e.header("location");
  if (e.status < 300 || e.status >= 400 || to === "") return null;
  const target = resolve(to, e.url);
  if (target === null) return null;
  const shown = target.length > 300 ? `${target.slice(0, 300)}…` : target;
  if (/\/(login|signin|sign-in|auth|sso)\b/i.test(target)) {
    return {
      cause: `The receiver sends us to a page where people sign in (${shown}): the path is protected.`,
      fix: "Take the path of this webhook out of the sign-in, and check the signature there instead.",
    };
  }
  const why = target === e.url.replace(/^http:/, "https:") ? "The receiver wants https" : target === `${e.url}/` || `${target}/` === e.url ? "Only a slash at the end differs" : "The URL has moved";
  return {
    cause: `${why}: it redirects to ${shown}. Redirects are never followed: they would lead signed data elsewhere.`,
    fix: "Set that URL in the webhook's settings, if it is yours.",
  };
}

function resolve(to: string, base: string): string | null {
  try {
    return new URL(to, base).href;
  } catch {
    return null;
  }
}

/** Chat programs take only messages of their own shape. */
function chat(e: Evidence): Hint | null {
  const names: readonly (readonly [RegExp, string])[] = [
    [/(^|\.)hooks\.slack\.com$/, "Slack"], [/(^|\.)(discord|discordapp)\.com$/, "Discord"],
    [/(^|\.)(webhook\.office\.com|logic\.azure\.com)$/, "Teams"], [/^chat\.googleapis\.com$/, "Google Chat"],
  ];
  const name = names.find(([host]) => host.test(e.host))?.[1];
  if (name === undefined || e.status < 400 || e.status >= 500) return null;
  if (e.status === 404 || e.status === 410 || (e.status === 403 && name === "Slack")) {
    return { cause: `${name} does not know this webhook URL any more: it was removed there, or copied in part.`, fix: `Make a new incoming webhook in ${name} and set its URL.` };
  }
  return {
    title: `${name} does not understand our events`,
    cause: `${name} takes only messages of its own shape, with a text to show, and no events.`,
    fix: "Put a small program or an automation service between, which turns the event into a message.",
  };
}

function signature(e: Evidence): Hint | null {
  if (![400, 401, 403, 422].includes(e.status)) return null;
  if (/timestamp.{0,40}(old|expired|tolerance|skew|outside)|(too old|outside).{0,40}tolerance/i.test(e.body)) {
    return {
      title: "The receiver says that our request is too old",
      cause: "Its clock is wrong, or it checks the time of the event instead of the header webhook-timestamp.",
      fix: "Synchronize the receiver's clock, and compare with the time in the header, within five minutes.",
    };
  }
  if (/signature|hmac|svix|digest/i.test(e.body)) {
    return {
      title: `The receiver refused our signature (${e.status})`,
      cause: "It has another secret, or checks over a body that was parsed and written anew instead of the bytes that arrived.",
      fix: "Use the signature checker under Security: it says which of the two it is. If it is the secret, copy it anew.",
    };
  }
  if (/api.?key|token|bearer|authorization|credential|unauthenticated/i.test(e.body) || e.header("www-authenticate") !== "") {
    return {
      title: `The receiver wants credentials (${e.status})`,
      cause: "It asks for a token or a password, which our request does not have, or has wrong.",
      fix: "Add the header that it expects (often Authorization) to the webhook's headers.",
    };
  }
  return null;
}

function cloudflare(status: number): Hint {
  const causes: Readonly<Record<number, string>> = {
    520: "Your server gave Cloudflare an answer that it does not understand",
    521: "Your server refuses connections from Cloudflare",
    522: "Your server did not answer Cloudflare's attempt to connect",
    523: "Cloudflare does not reach your server's address",
    524: "Your server took longer than 100 seconds",
    525: "The secure connection between Cloudflare and your server failed",
    526: "Your server's certificate is not valid for Cloudflare",
    530: "Cloudflare does not find your server; for a tunnel, its program does not run",
  };
  return {
    title: `Cloudflare did not reach your server (${status})`,
    cause: `${causes[status] ?? "Something is wrong between Cloudflare and your server"}.`,
    fix: "Check that your server runs and lets Cloudflare's addresses through its firewall.",
  };
}

function vercel(code: string): Hint {
  if (code.includes("TIMEOUT")) {
    return { title: "The function took too long", cause: `Vercel ended it (${code}).`, fix: "Answer at once and do the work afterwards, or raise the function's limit at Vercel." };
  }
  if (code.includes("NOT_FOUND")) {
    return { title: "Vercel does not know this address", cause: `The deployment or the path does not exist there (${code}).`, fix: "Check the URL; the address of a preview deployment changes with each deployment." };
  }
  return { title: "Vercel answered in the place of your code", cause: `It reports ${code}.`, fix: "Look into the function's log at Vercel at this time." };
}

function isTunnel(host: string): boolean {
  return /(^|\.)(ngrok\.(io|app|dev)|ngrok-free\.(app|dev)|loca\.lt|trycloudflare\.com|serveo\.net|localhost\.run)$/.test(host);
}
