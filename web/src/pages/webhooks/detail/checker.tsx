import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { messageOf } from "../../../core/api.ts";
import { deliveries, endpoints } from "../../../core/client.ts";
import { serverNow } from "../../../core/clock.ts";
import { useLoad } from "../../../core/load.ts";
import { param } from "../../../core/router.ts";
import { can } from "../../../core/session.ts";
import { CheckError, type CheckResult, checkSignature, type SchemeVerdict } from "../../../core/signature.ts";
import type { DeliveryDetail, Endpoint, Format } from "../../../core/types.ts";
import { Banner, Button, Card, Checkbox, Field, IconButton, Textarea, TextInput, toastError } from "../../../ui/index.ts";
import { headerLines } from "./headers.ts";
import { ownSchemes } from "./verification.ts";

export interface Sample {
  readonly headers: string;
  readonly body: string;
  readonly secret?: string;
  /** Where it comes from, for the reader. */
  readonly from: string;
}

interface Draft {
  readonly headers: string;
  readonly body: string;
  readonly secret: string;
  readonly old: string;
  /** A request from the log is old by now, and rightly so. */
  readonly age: boolean;
}

const empty: Draft = { headers: "", body: "", secret: "", old: "", age: false };

/** Says whether a signature fits, and if not, why: live, in the browser, with the words of `waybell verify`. */
export function Checker({ endpoint: e, formats, sample }: { readonly endpoint: Endpoint; readonly formats: readonly Format[]; readonly sample: Sample | null }) {
  const [draft, setDraft] = useState(empty);
  const [from, setFrom] = useState("");
  const place = useRef<HTMLDivElement>(null);
  const change = (part: Partial<Draft>): void => setDraft((d) => ({ ...d, ...part }));
  const take = (s: Sample): void => {
    setDraft((d) => ({ ...d, headers: s.headers, body: s.body, secret: s.secret ?? d.secret, age: false }));
    setFrom(s.from);
    place.current?.scrollIntoView({ block: "start", behavior: "smooth" });
  };
  useEffect(() => {
    if (sample !== null) take(sample);
  }, [sample]);
  const logged = useLogged(e, take);
  const schemes = useMemo(() => ownSchemes(formats), [formats]);
  const outcome = useOutcome(draft, schemes);
  return (
    <div ref={place} class="wh-anchor">
      <Card title="Signature checker" lead="Paste what your receiver got. Everything is computed in your browser: the secret never leaves this page.">
        <div class="split">
          <div class="stack">
            {logged !== null && <Banner tone="bad" title="The delivery could not be loaded">{logged}</Banner>}
            {from !== "" && <p class="muted small">Filled in from {from}.</p>}
            <Field label="Headers" hint="One a line, as Name: value; or as JSON; or the whole request with its body.">
              {(control) => <Textarea {...control} mono rows={6} value={draft.headers} onValue={(headers) => change({ headers })} placeholder={"webhook-id: evt_…\nwebhook-timestamp: 1795305492\nwebhook-signature: v1,…"} />}
            </Field>
            <Field label="Body" hint="Exactly as it was received. One space more or less, and the signature cannot fit.">
              {(control) => <Textarea {...control} mono rows={8} value={draft.body} onValue={(body) => change({ body })} placeholder={'{"id":"evt_…","type":"lead.submit",…}'} />}
            </Field>
            <SecretField endpoint={e} value={draft.secret} onValue={(secret) => change({ secret })} />
            <details class="wh-details">
              <summary>More</summary>
              <div class="stack">
                <Field label="Earlier secret" note="optional" hint="If you replaced it lately: the checker tells you when the old one was used.">
                  {(control) => <TextInput {...control} mono type="password" autocomplete="off" value={draft.old} onValue={(old) => change({ old })} />}
                </Field>
                <Checkbox label="Check the age, too" hint="A receiver refuses what was signed more than 5 minutes ago. Off, because what you paste is usually older." checked={draft.age} onChecked={(age) => change({ age })} />
              </div>
            </details>
          </div>
          <div class="stack sticky" aria-live="polite">
            <Outcome outcome={outcome} />
            {draft !== empty && <div class="row"><Button size="small" kind="quiet" icon="close" onClick={() => { setDraft(empty); setFrom(""); }}>Clear all</Button></div>}
          </div>
        </div>
      </Card>
    </div>
  );
}

/** The secret, typed or fetched; fetching one is a reveal like any other. */
function SecretField({ endpoint: e, value, onValue }: { readonly endpoint: Endpoint; readonly value: string; readonly onValue: (secret: string) => void }) {
  const [seen, setSeen] = useState(false);
  const [busy, setBusy] = useState(false);
  const fetchIt = async (): Promise<void> => {
    setBusy(true);
    try {
      const { secret, public_key: publicKey } = await endpoints.secret(e.agent_id, e.id);
      onValue(publicKey ?? secret);
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Field label="Secret" hint="It stays in this page and is sent nowhere. A public key (whpk_…) does, too, for Ed25519.">
      {(control) => (
        <div class="stack stack-s">
          <div class="row row-tight">
            <TextInput {...control} mono type={seen ? "text" : "password"} autocomplete="off" value={value} onValue={onValue} placeholder="whsec_…" />
            <IconButton icon={seen ? "hide" : "show"} label={seen ? "Hide the secret" : "Show the secret"} aria-pressed={seen} onClick={() => setSeen(!seen)} />
          </div>
          {e.signed && can("secrets:read") && (
            <div class="row">
              <Button size="small" icon="key" busy={busy} onClick={() => void fetchIt()}>Use this webhook's secret</Button>
              <span class="muted small">This is written to the server's log.</span>
            </div>
          )}
        </div>
      )}
    </Field>
  );
}

type Outcome =
  | { readonly kind: "empty" }
  | { readonly kind: "missing"; readonly text: string }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "done"; readonly result: CheckResult };

/** What a check says. The newest draft counts; slower answers to older ones are dropped. */
function useOutcome(draft: Draft, schemes: ReturnType<typeof ownSchemes>): Outcome {
  const [outcome, setOutcome] = useState<Outcome>({ kind: "empty" });
  useEffect(() => {
    const missing = [draft.headers.trim() === "" && "the headers", draft.secret === "" && "the secret"].filter((m) => m !== false);
    if (missing.length === 2) return setOutcome({ kind: "empty" });
    if (missing.length > 0) return setOutcome({ kind: "missing", text: `Now paste ${missing.join(" and ")}.` });
    let gone = false;
    const timer = setTimeout(() => {
      checkSignature({
        headers: draft.headers, body: draft.body, secrets: [draft.secret.trim()], oldSecrets: draft.old.trim() === "" ? [] : [draft.old.trim()],
        schemes, toleranceSeconds: draft.age ? 300 : 0, now: serverNow(),
      }).then(
        (result) => !gone && setOutcome({ kind: "done", result }),
        (error: unknown) => {
          if (!gone) setOutcome({ kind: "error", text: error instanceof CheckError ? messageOf(error) : "The check failed in a way that it should not. Please report it." });
        },
      );
    }, 120);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [draft, schemes]);
  return outcome;
}

function Outcome({ outcome }: { readonly outcome: Outcome }) {
  switch (outcome.kind) {
    case "empty":
      return <Banner tone="muted" title="The verdict appears here">It says whether the signature fits, and if it does not, which usual mistake explains it.</Banner>;
    case "missing":
      return <Banner tone="muted" title={outcome.text} />;
    case "error":
      return <Banner tone="warn" title="This cannot be checked yet">{outcome.text}</Banner>;
    case "done":
      return (
        <>
          {outcome.result.results.map((r) => <VerdictBanner key={r.scheme} verdict={r} />)}
          {outcome.result.notes.map((note) => <p class="muted small" key={note}>Note: {note}.</p>)}
        </>
      );
  }
}

function VerdictBanner({ verdict: v }: { readonly verdict: SchemeVerdict }) {
  return (
    <Banner tone={v.ok ? "good" : "bad"} title={v.explanation}>
      {v.fix !== "" && <p>{v.fix}</p>}
      {v.detail !== "" && <p class="small">Here: {v.detail}.</p>}
      {v.also.length > 0 && (
        <ul class="stack stack-s">
          {v.also.map((a) => <li key={a.verdict}><strong>And: {a.explanation}</strong> {a.fix}</li>)}
        </ul>
      )}
      <p class="small muted">Checked as <code>{v.scheme}</code>, verdict <code>{v.verdict}</code></p>
    </Banner>
  );
}

/** Fills in the last request of the delivery in the address; the answer is why it cannot. */
function useLogged(e: Endpoint, take: (sample: Sample) => void): string | null {
  const id = param("delivery");
  const loaded = useLoad<DeliveryDetail | null>((signal) => (id === "" ? Promise.resolve(null) : deliveries.get(e.agent_id, id, signal)), [e.agent_id, id]);
  const latest = useRef(take);
  latest.current = take;
  const request = loaded.data?.attempt_log.at(-1)?.request;
  useEffect(() => {
    if (request !== undefined && request.body !== null) latest.current({ headers: headerLines(request.headers), body: request.body, from: `the last attempt of the delivery ${id}` });
  }, [loaded.data]);
  if (loaded.error !== undefined) return messageOf(loaded.error);
  if (loaded.data === null || loaded.data === undefined) return null;
  if (request === undefined) return "It was not sent yet, so there is no signature to check.";
  return request.body === null ? "Its body is not kept any more, so the signature cannot be checked." : null;
}

