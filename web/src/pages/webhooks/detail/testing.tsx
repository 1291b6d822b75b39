import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, collect, isAbort, messageOf } from "../../../core/api.ts";
import { endpoints, eventTypes } from "../../../core/client.ts";
import { second, serverNow } from "../../../core/clock.ts";
import { duration } from "../../../core/format.ts";
import { prettyText } from "../../../core/highlight.ts";
import { useShortcuts } from "../../../core/keys.ts";
import { useLoad } from "../../../core/load.ts";
import { param, setQuery } from "../../../core/router.ts";
import { can } from "../../../core/session.ts";
import type { DeliveryDetail, Endpoint, EventType, JsonObject, Preview } from "../../../core/types.ts";
import { Banner, Button, Card, CodeBlock, Empty, Field, Load, Select, Textarea } from "../../../ui/index.ts";
import { headerLines } from "./headers.ts";
import { dataProblems, type PathProblem, readObject } from "./json.ts";
import type { Detail } from "./subject.ts";
import { TestResult } from "../test-result.tsx";
import { TestHistory } from "./test-history.tsx";
import { remember, testsOf } from "./tests.ts";

export function Testing({ detail }: { readonly detail: Detail }) {
  const { endpoint: e } = detail;
  const types = useLoad((signal) => collect((cursor) => eventTypes.list({ agent_id: e.agent_id, limit: 100, cursor }, signal)), [e.agent_id]);
  return (
    <div class="stack stack-l">
      {e.state !== "active" && <Banner tone="info">{notActive[e.state]}</Banner>}
      <Load of={types}>
        {(list) => list.length === 0 ? <Card><Empty icon="events" title="There are no events">Your agent has no event that could be tested.</Empty></Card> : <Bench detail={detail} types={ordered(list, e)} />}
      </Load>
    </div>
  );
}

const notActive: Readonly<Record<Exclude<Endpoint["state"], "active">, string>> = {
  paused: "This webhook is paused. A test is sent all the same, and nothing that is held is sent with it.",
  suspended: "This webhook is suspended. A test is sent all the same: use it to see whether the receiver works again, then resume.",
  disabled: "This webhook is disabled. A test is sent all the same.",
};

/** Those that the webhook takes come first; each kind in the order of the catalogue. */
function ordered(types: readonly EventType[], e: Endpoint): readonly EventType[] {
  const takes = types.filter((t) => subscribed(t, e));
  return [...takes, ...types.filter((t) => !takes.includes(t))];
}

const subscribed = (type: EventType, e: Endpoint): boolean => e.events.includes("*") || e.events.includes(type.name);

/** The editor on one side, what comes back on the other. */
function Bench({ detail, types }: { readonly detail: Detail; readonly types: readonly EventType[] }) {
  const { endpoint: e } = detail;
  const type = types.find((t) => t.name === param("event")) ?? types[0];
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  const [shown, setShown] = useState<string | null>(null);
  const name = type?.name ?? "";
  const example = useMemo(() => JSON.stringify(type?.example ?? {}, null, 2), [type]);
  const text = texts[name] ?? example;
  const check = useCheck(e, name, text);
  const sending = useSending(e, useCallback((test: DeliveryDetail) => {
    setShown(test.id);
    detail.refresh();
  }, [detail.refresh]));
  const parsed = readObject(text);
  const wrong = !parsed.ok || check.problems.length > 0;
  const send = (): void => {
    if (parsed.ok && !wrong && can("deliveries:write")) void sending.send(name, parsed.data);
  };
  const latest = useRef(send);
  latest.current = send;
  useShortcuts(useMemo(() => [{ key: "r", label: "Send the test", run: () => latest.current() }], []));
  const tests = testsOf(e.id);
  const test = tests.find((t) => t.id === shown) ?? tests[0];
  return (
    <div class="split">
      <div class="stack">
        <Card
          title="What is sent"
          foot={(
            <>
              <SendButton wrong={wrong} busy={sending.busy} onSend={send} />
              <span class="push" />
              {text !== example && <Button kind="quiet" onClick={() => setTexts({ ...texts, [name]: example })}>Reset to the example</Button>}
              <Button kind="quiet" disabled={!parsed.ok} onClick={() => setTexts({ ...texts, [name]: prettyText(text) })}>Tidy up</Button>
            </>
          )}
        >
          <div class="stack">
            <Field label="Event" hint={type === undefined ? undefined : type.description}>
              {(control) => <Select {...control} value={name} onValue={(event) => setQuery({ event })} options={types.map((t) => ({ value: t.name, label: subscribed(t, e) ? t.name : `${t.name} (not selected for this webhook)` }))} />}
            </Field>
            <Field label="Data" hint="Change what you like: it is only a test. Nothing else sees it." error={wrong && <Problems syntax={parsed.ok ? undefined : parsed.message} problems={check.problems} />}>
              {(control) => (
                <Textarea
                  {...control} mono rows={Math.min(26, Math.max(8, text.split("\n").length + 1))} value={text} aria-invalid={wrong || undefined}
                  onValue={(value) => setTexts({ ...texts, [name]: value })}
                  onKeyDown={(event) => {
                    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
                    event.preventDefault();
                    send();
                  }}
                />
              )}
            </Field>
          </div>
        </Card>
        {tests.length > 0 && <TestHistory tests={tests} shown={test?.id} onShow={setShown} />}
      </div>
      <div class="stack">
        {sending.busy && <Sending since={sending.since} timeout={e.timeout_seconds} />}
        {sending.error !== undefined && <Banner tone="bad" title="The test was not sent">{messageOf(sending.error)}</Banner>}
        {test !== undefined && !sending.busy && <Card title="What came back"><TestResult endpoint={e} delivery={test} key={test.id} /></Card>}
        {test === undefined && !sending.busy && <Before preview={check.preview} error={check.error} />}
      </div>
    </div>
  );
}

function SendButton({ wrong, busy, onSend }: { readonly wrong: boolean; readonly busy: boolean; readonly onSend: () => void }) {
  if (!can("deliveries:write")) return <span class="muted small">You may look, but not send tests. Ask the platform for the right to re-send.</span>;
  return (
    <>
      <Button kind="primary" icon="deliveries" busy={busy} disabled={wrong} onClick={onSend}>Send test</Button>
      <span class="muted small"><kbd>Ctrl</kbd> <kbd>Enter</kbd></span>
    </>
  );
}

function Problems({ syntax, problems }: { readonly syntax: string | undefined; readonly problems: readonly PathProblem[] }) {
  if (syntax !== undefined) return <>{syntax}</>;
  return (
    <ul class="stack stack-s">
      {problems.map((p) => <li key={`${p.path} ${p.message}`}>{p.path !== "" && <><code class="anywhere">{p.path}</code> </>}{p.message}</li>)}
    </ul>
  );
}

/** Before the first test: the very request that it would be. */
function Before({ preview, error }: { readonly preview: Preview | undefined; readonly error: unknown }) {
  const request = preview?.request;
  return (
    <Card title="The request" lead="This is what your receiver gets. Send the test to see its answer here.">
      {request === undefined || request === null ? (
        <p class="muted">{error === undefined ? "It is shown as soon as the data is valid." : messageOf(error)}</p>
      ) : (
        <div class="stack">
          <CodeBlock title="Headers" text={`${request.method} ${request.url ?? ""}\n${headerLines(request.headers)}`} />
          <CodeBlock title="Body" json text={request.body} />
        </div>
      )}
    </Card>
  );
}

/** While the receiver thinks: how long already, and how long at most. */
function Sending({ since, timeout }: { readonly since: number; readonly timeout: number }) {
  const waited = Math.max(0, Math.round((second.value - since) / 1_000));
  return <Banner tone="info" title="Waiting for the receiver's answer">{waited < 2 ? "" : `${duration(waited)} so far; `}it has up to {duration(timeout)}.</Banner>;
}

interface Sender {
  readonly busy: boolean;
  readonly since: number;
  readonly error: unknown;
  readonly send: (event: string, data: JsonObject) => Promise<void>;
}

function useSending(e: Endpoint, done: (test: DeliveryDetail) => void): Sender {
  const [state, setState] = useState<{ busy: boolean; since: number; error: unknown }>({ busy: false, since: 0, error: undefined });
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const send: Sender["send"] = async (event, data) => {
    if (state.busy) return;
    const controller = new AbortController();
    abort.current = controller;
    setState({ busy: true, since: serverNow(), error: undefined });
    try {
      const test = await endpoints.test(e.agent_id, e.id, { event, data }, controller.signal);
      remember(test);
      setState({ busy: false, since: 0, error: undefined });
      done(test);
    } catch (error) {
      if (!isAbort(error)) setState({ busy: false, since: 0, error });
    }
  };
  return { ...state, send };
}

interface Check {
  readonly problems: readonly PathProblem[];
  readonly preview: Preview | undefined;
  readonly error: unknown;
}

const pause = 350;

/** Asks the server, a moment after the last change, what it would send and what it would refuse. */
function useCheck(e: Endpoint, event: string, text: string): Check {
  const [check, setCheck] = useState<Check>({ problems: [], preview: undefined, error: undefined });
  useEffect(() => {
    const parsed = readObject(text);
    if (!parsed.ok || event === "") {
      setCheck((c) => ({ ...c, problems: [] })); // the syntax comes first
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      endpoints.preview(e.agent_id, { endpoint: {}, endpoint_id: e.id, event, data: parsed.data }, abort.signal).then(
        (preview) => setCheck({ problems: dataProblems(preview.errors), preview, error: undefined }),
        (error: unknown) => {
          if (isAbort(error)) return;
          const problems = error instanceof ApiError ? dataProblems(error.errors) : [];
          setCheck((c) => ({ problems, preview: c.preview, error: problems.length === 0 ? error : undefined }));
        },
      );
    }, pause);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [e.agent_id, e.id, e.updated_at, event, text]);
  return check;
}
