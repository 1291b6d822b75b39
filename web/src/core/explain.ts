/** What a failure means, its likely cause, and what to do about it. */
import { hintOf } from "./hints.ts";
import type { Attempt, Reason } from "./types.ts";

export interface Explanation {
  readonly title: string;
  readonly cause: string;
  readonly fix: string;
}

const reasons: Readonly<Record<Exclude<Reason, "delivered" | "http_status">, Explanation>> = {
  timeout: {
    title: "The receiver did not answer in time",
    cause: "It does its work before it answers, or it is overloaded, or a firewall swallows our packets.",
    fix: "Answer 200 at once and do the work afterwards. The timeout can be raised in the webhook's settings, up to 120 seconds.",
  },
  dns: {
    title: "The host name could not be found",
    cause: "The name is misspelled, was removed, or its name servers do not answer.",
    fix: "Check the spelling of the URL and the DNS records of its host.",
  },
  connect: {
    title: "No connection could be made",
    cause: "Nothing listens on that port, the receiver is down, or a firewall refuses us.",
    fix: "Start the receiver, check the port in the URL, and let our address through the firewall.",
  },
  tls: {
    title: "The secure connection failed",
    cause: "The certificate has expired, is self-signed, is for another name, or a certificate in the chain is missing.",
    fix: "Renew the certificate and serve the whole chain. We need TLS 1.2 or newer.",
  },
  connection_lost: {
    title: "The connection broke before the answer",
    cause: "The receiver crashed or was restarted, or a proxy in front of it closed the connection.",
    fix: "Look into the receiver's log at this time: it got the request and did not answer it.",
  },
  bad_response: {
    title: "The answer was no valid HTTP",
    cause: "The port belongs to something else than a web server, or the answer's headers are broken or larger than 64 KiB.",
    fix: "Check scheme and port of the URL: https on a port that speaks http is a usual cause.",
  },
  blocked: {
    title: "The target is not allowed",
    cause: "The host leads to an address that is not public, such as a private network or this server itself.",
    fix: "Use a public address. For a receiver in your own network, the operator can allow it with the setting allow-targets.",
  },
  gone: {
    title: "The receiver says that it is gone (410)",
    cause: "The receiver wants no more requests at this URL, so the webhook was suspended.",
    fix: "Set the new URL and resume the webhook, or delete it.",
  },
  expired: {
    title: "All attempts failed",
    cause: "The schedule, or the time in which it is tried, was used up without a 2xx answer.",
    fix: "Mend what the last attempt shows, then re-send: it starts a fresh schedule.",
  },
  canceled: {
    title: "It was canceled",
    cause: "Somebody canceled it, or its webhook was deleted or turned off while it waited.",
    fix: "Re-send it if it is still wanted.",
  },
};

const statuses: Readonly<Record<number, Explanation>> = {
  400: {
    title: "The receiver did not understand the request (400)",
    cause: "It expects another body, or checks the signature over something else than the raw body.",
    fix: "Compare the body with what the receiver expects; a different profile may fit it.",
  },
  401: {
    title: "The receiver wants to know who we are (401)",
    cause: "It expects credentials, or refused the signature: a wrong secret, or a check over a body that was parsed first.",
    fix: "Use the signature checker under Security, or add the header that the receiver expects to the webhook.",
  },
  403: {
    title: "The receiver refused us (403)",
    cause: "The signature or a credential is wrong, or a web application firewall took us for a robot.",
    fix: "Use the signature checker under Security, and let the path through the firewall.",
  },
  404: {
    title: "There is nothing at that URL (404)",
    cause: "The path is misspelled, or the receiver was deployed without this route.",
    fix: "Check the path of the URL.",
  },
  405: {
    title: "The receiver does not take this method (405)",
    cause: "The route is there, but for another method than POST or PUT; often it is a page for browsers.",
    fix: "Check the path, or change the method in the webhook's settings.",
  },
  406: {
    title: "The receiver has no answer that we would take (406)",
    cause: "It checks the Accept or User-Agent header, often in a web application firewall.",
    fix: "Let this path accept requests with any Accept header.",
  },
  407: {
    title: "A proxy wants credentials (407)",
    cause: "The URL leads through a proxy that asks who we are.",
    fix: "Use the receiver's own public URL, which needs no proxy.",
  },
  408: {
    title: "The receiver gave up waiting (408)",
    cause: "A proxy in front of it did not pass the request on in time.",
    fix: "Check the proxy and the health of what is behind it.",
  },
  409: {
    title: "The receiver has a conflict (409)",
    cause: "It took this event before, or something else changed the same record at the same time.",
    fix: "Answer 200 for an event that you have already; the header webhook-id tells you that it is the same.",
  },
  410: reasons.gone,
  411: {
    title: "The receiver wants to know the length first (411)",
    cause: "A proxy in front of it removes the Content-Length header that we send.",
    fix: "Check the proxy in front of the receiver.",
  },
  413: {
    title: "The body is too large for the receiver (413)",
    cause: "A limit of the receiver, or of a proxy in front of it, is smaller than this event.",
    fix: "Raise the limit to 1 MiB, or leave out the transcript in the webhook's settings.",
  },
  414: {
    title: "The URL is too long for the receiver (414)",
    cause: "A limit of the receiver, or of a proxy in front of it, is smaller than the webhook's URL.",
    fix: "Use a shorter URL; put credentials into a header of the webhook.",
  },
  415: {
    title: "The receiver does not take JSON (415)",
    cause: "The route expects a form or another content type.",
    fix: "Let the route accept application/json.",
  },
  421: {
    title: "The request reached the wrong server (421)",
    cause: "The server at that address does not know the host name of the URL.",
    fix: "Check the host name of the URL, and where its DNS record points.",
  },
  422: {
    title: "The receiver found the content wrong (422)",
    cause: "It validates the body and misses a field, or expects another shape.",
    fix: "Look into its answer below, and compare the body with what it expects.",
  },
  426: {
    title: "The receiver wants another protocol (426)",
    cause: "It takes only encrypted connections, or a newer HTTP version.",
    fix: "Use a URL that begins with https://.",
  },
  429: {
    title: "The receiver gets too many requests (429)",
    cause: "Its rate limit is lower than the rate of your events.",
    fix: "Set a rate limit on the webhook that is below the receiver's; what waits is sent later.",
  },
  431: {
    title: "The headers are too large for the receiver (431)",
    cause: "The webhook's own headers are larger than the receiver takes.",
    fix: "Shorten or remove headers in the webhook's settings.",
  },
  451: {
    title: "The receiver may not be reached for legal reasons (451)",
    cause: "Its provider blocks it, or blocks the country that we send from.",
    fix: "Ask the receiver's provider.",
  },
  500: {
    title: "The receiver crashed (500)",
    cause: "An error in the receiver's own code.",
    fix: "Look into the receiver's log at this time, mend it, then re-send.",
  },
  502: {
    title: "The receiver's proxy got no answer (502)",
    cause: "The application behind the proxy is down or was just restarted.",
    fix: "Check that the application runs; a short outage mends itself by the retries.",
  },
  503: {
    title: "The receiver is not available (503)",
    cause: "It is overloaded, in maintenance, or starting.",
    fix: "Wait: it is tried again. If it stays, check the receiver.",
  },
  501: {
    title: "The receiver does not know this method (501)",
    cause: "It is a simple file server, or another that takes only GET.",
    fix: "Point the URL at your application, not at a server of static files.",
  },
  504: {
    title: "The receiver's proxy waited too long (504)",
    cause: "The application behind the proxy does its work before it answers.",
    fix: "Answer 200 at once and do the work afterwards.",
  },
};

/**
 * Explains the outcome of an attempt or of a delivery; null when it was
 * delivered. With the attempt itself, what it shows makes cause and fix exact.
 */
export function explain(reason: Reason, status: number | null, attempt?: Attempt): Explanation | null {
  if (reason === "delivered") return null;
  const general = reason === "http_status" ? explainStatus(status ?? 0) : reasons[reason];
  return attempt === undefined ? general : { ...general, ...hintOf(attempt) };
}

function explainStatus(status: number): Explanation {
  const known = statuses[status];
  if (known !== undefined) return known;
  if (status >= 300 && status < 400) {
    return {
      title: `The receiver wants to send us elsewhere (${status})`,
      cause: "The URL has moved, or http is redirected to https. Redirects are never followed: they would lead signed data elsewhere.",
      fix: "Set the URL that the receiver redirects to; it is in the Location header of its answer.",
    };
  }
  if (status >= 500) {
    return {
      title: `The receiver has a problem (${status})`,
      cause: "An error in the receiver or in what is in front of it.",
      fix: "Look into the receiver's log at this time, mend it, then re-send.",
    };
  }
  return {
    title: `The receiver refused the request (${status})`,
    cause: "It answers this status on purpose; its answer below may say why.",
    fix: "Look into the receiver's answer and its log.",
  };
}
