import { signal } from "@preact/signals";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { agentLink, agentPath } from "../../core/agent.ts";
import { ApiError, messageOf } from "../../core/api.ts";
import { endpoints } from "../../core/client.ts";
import { go, releaseGuard, useLeaveGuard } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import type { Endpoint } from "../../core/types.ts";
import { Banner, Button, ButtonLink, Card, ConfirmDialog, Dialog, toast } from "../../ui/index.ts";
import { SecretDialog, SecretShown } from "./actions/secret-shown.tsx";
import { AdvancedPart } from "./form-advanced.tsx";
import { EventsPart } from "./form-events.tsx";
import { HeadersPart } from "./form-headers.tsx";
import { blankDraft, check, type Draft, draftOf, type FieldErrors, isChanged, placeErrors, withTyped } from "./form-model.ts";
import type { Setting } from "./form-parts.ts";
import { PreviewPane, usePreview } from "./form-preview.tsx";
import { ReceiverPart } from "./form-receiver.tsx";
import { RetryPart } from "./form-retry.tsx";
import { saveDraft, SecretNotSaved } from "./form-save.ts";
import { SecretPart } from "./form-secret.tsx";
import { SendingPart } from "./form-sending.tsx";
import { runTest, SavedTest, type TestState } from "./form-test.tsx";

/** A new webhook gets an address of its own with its first save; this goes along to its page. */
const handoff = signal<{ readonly id: string; readonly secret: string | null; readonly event: string } | null>(null);

interface Outcome {
  readonly endpoint: Endpoint;
  readonly secret: string | null;
  readonly test: TestState | null;
}

interface Problem {
  readonly title: string;
  readonly text: string;
}

const noErrors: FieldErrors = {};

export function WebhookEditor({ start }: { readonly start: Setting }) {
  const [setting, setSetting] = useState(start);
  const base = useMemo(() => firstDraft(setting), [setting]);
  const [draft, setDraft] = useState<Draft>(() => (setting.inbox === null ? base : { ...base, url: setting.inbox.url }));
  const [event, setEvent] = useState("");
  const [errors, setErrors] = useState<FieldErrors>(noErrors);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState<"save" | "test" | null>(null);
  const [conflict, setConflict] = useState<"save" | "test" | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [leave, setLeave] = useState<(() => void) | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const result = useRef<HTMLDivElement>(null);
  const stored = setting.saved?.endpoint ?? null;
  const changed = isChanged(base, draft);
  const latest = useRef(draft);
  latest.current = draft;
  /** Grows with every test and every save: what an earlier test tells is not shown over it. */
  const turn = useRef(0);
  const preview = usePreview(setting, draft, stored === null ? null : base, event);

  useLeaveGuard(changed, useCallback((leaveNow) => setLeave(() => leaveNow), []));
  const set = useCallback((change: Partial<Draft>) => {
    setDraft((d) => ({ ...d, ...change }));
    setErrors(noErrors);
  }, []);

  /** Shows the form's end to those who wait for it: the secret, the test. */
  const show = useCallback((endpoint: Endpoint, secret: string | null, tested: string | null) => {
    const mine = ++turn.current;
    setOutcome({ endpoint, secret, test: null });
    if (tested !== null) runTest(endpoint, tested, (test) => mine === turn.current && setOutcome({ endpoint, secret, test }));
    requestAnimationFrame(() => result.current?.scrollIntoView({ block: "start" }));
  }, []);

  useEffect(() => {
    const brought = handoff.peek();
    if (brought === null || stored === null || brought.id !== stored.id) return;
    handoff.value = null;
    show(stored, brought.secret, brought.event);
  }, []);

  const refuse = (fields: FieldErrors, trouble: Problem | null): void => {
    setErrors(fields);
    setProblem(trouble);
    requestAnimationFrame(() => focusFirstError(form.current));
  };

  /** Goes on from what is stored; what was typed while it was asked for stays. */
  const adopt = (endpoint: Endpoint, etag: string | undefined, next: Partial<Draft>): void => {
    const fresh = { ...setting, saved: { endpoint, etag }, inbox: null };
    setSetting(fresh);
    setDraft((now) => withTyped({ ...firstDraft(fresh), ...next }, draft, now));
  };

  const failed = (error: unknown, how: "save" | "test"): void => {
    if (error instanceof SecretNotSaved) {
      adopt(error.endpoint, error.etag, { secret: draft.secret, ownSecret: draft.ownSecret, overlap: draft.overlap });
      return refuse({ secret: messageOf(error.cause) }, { title: "The secret was not changed", text: "Everything else is saved. The message at the secret says why it was refused." });
    }
    if (error instanceof ApiError && error.status === 412) return setConflict(how);
    if (!(error instanceof ApiError)) return refuse(noErrors, { title: "It is not saved", text: messageOf(error) });
    const { fields, rest } = placeErrors(error.errors, draft);
    if (Object.keys(fields).length > 0 && rest.length === 0) return refuse(fields, { title: "It is not saved yet", text: "Look at the fields that are marked in red." });
    refuse(fields, { title: "It is not saved", text: [messageOf(error), ...rest].join(" ") });
  };

  const save = async (how: "save" | "test", overwrite = false): Promise<void> => {
    if (busy !== null) return;
    const wrong = check(draft);
    if (Object.keys(wrong).length > 0) return refuse(wrong, { title: "It is not saved yet", text: "Look at the fields that are marked in red." });
    setBusy(how);
    setProblem(null);
    setErrors(noErrors);
    setOutcome(null);
    turn.current++;
    try {
      const done = await saveDraft(setting, base, draft, overwrite);
      const more = isChanged(draft, latest.current);
      const tested = how === "test" ? (event === "" ? (draft.events[0] ?? "") : event) : null;
      if (stored === null && tested !== null && !more) {
        handoff.value = { id: done.endpoint.id, secret: done.secret, event: tested };
        releaseGuard();
        go(agentPath(`webhooks/${done.endpoint.id}/edit`), { replace: true });
        return;
      }
      adopt(done.endpoint, done.etag, {});
      if (tested !== null) show(done.endpoint, done.secret, tested);
      else if (done.secret !== null) setOutcome({ endpoint: done.endpoint, secret: done.secret, test: null });
      else finish(done.endpoint, more);
    } catch (error) {
      failed(error, how);
    } finally {
      setBusy(null);
    }
  };

  /** Leaves the form, unless there is more to save. */
  const finish = (endpoint: Endpoint, more: boolean): void => {
    setOutcome(null);
    const words = stored === null ? "The webhook is made." : "The changes are saved.";
    if (more) return toast(`${words} What you entered since then is not.`);
    releaseGuard();
    toast(words);
    go(agentPath(`webhooks/${endpoint.id}`));
  };

  const reload = async (): Promise<void> => {
    if (stored === null) return;
    const now = await endpoints.version(stored.agent_id, stored.id);
    adopt(now.data, now.etag ?? undefined, {});
    setProblem(null);
    toast("The present settings are loaded.");
  };

  const shown = { draft, set, errors: { ...preview.errors, ...errors }, setting };
  return (
    <form ref={form} class="stack" noValidate onSubmit={(e) => { e.preventDefault(); void save("save"); }}>
      {outcome !== null && outcome.test !== null && (
        <div ref={result} class="outcome"><SavedOutcome outcome={outcome} onAgain={() => show(outcome.endpoint, outcome.secret, event === "" ? (draft.events[0] ?? "") : event)} /></div>
      )}
      {problem !== null && <Banner tone="bad" title={problem.title}>{problem.text}</Banner>}
      <div class="split split-main">
        <div class="stack">
          <ReceiverPart {...shown} preview={preview.data} checking={preview.url !== draft.url} />
          <EventsPart {...shown} />
          <SecretPart {...shown} />
          <SendingPart {...shown} />
          <HeadersPart {...shown} />
          <RetryPart {...shown} />
          <AdvancedPart {...shown} />
        </div>
        <div class="sticky preview-side"><PreviewPane state={preview} draft={draft} types={setting.types} event={event} onEvent={setEvent} /></div>
      </div>
      <div class="save-bar">
        <span class="muted small" role="status">{changed ? "Not saved yet. Nothing applies before you save." : stored === null ? "Nothing is entered yet." : "Everything is saved."}</span>
        <span class="row push">
          <ButtonLink kind="quiet" href={agentLink(stored === null ? "webhooks" : `webhooks/${stored.id}`)}>{changed ? "Cancel" : "Back"}</ButtonLink>
          {can("deliveries:write") && <Button icon="test" busy={busy === "test"} onClick={() => void save("test")}>Save and send test</Button>}
          <Button type="submit" kind="primary" busy={busy === "save"}>Save</Button>
        </span>
      </div>
      {outcome !== null && outcome.secret !== null && outcome.test === null && (
        <SecretDialog title="The webhook is saved" secret={outcome.secret} onClose={() => finish(outcome.endpoint, changed)} />
      )}
      {conflict !== null && <ConflictDialog onReload={reload} onOverwrite={() => save(conflict, true)} onClose={() => setConflict(null)} />}
      {leave !== null && (
        <ConfirmDialog title="Leave without saving?" action="Leave" danger onConfirm={leave} onClose={() => setLeave(null)}>What you changed on this page is lost.</ConfirmDialog>
      )}
    </form>
  );
}

function firstDraft(setting: Setting): Draft {
  if (setting.saved !== null) return draftOf(setting.saved.endpoint, setting.profiles);
  const named = setting.profiles.profiles.some((p) => p.name === setting.agent.profile);
  return blankDraft(named ? setting.agent.profile : (setting.profiles.profiles[0]?.name ?? "standard"), can("secrets:write") ? "generate" : "none");
}

/** The first field in trouble gets the cursor; what hides it is opened by its own part. */
function focusFirstError(form: HTMLFormElement | null): void {
  const field = form?.querySelector<HTMLElement>('[aria-invalid="true"]');
  field?.focus({ preventScroll: true });
  (field ?? form)?.scrollIntoView({ block: field == null ? "start" : "center" });
}

function SavedOutcome({ outcome, onAgain }: { readonly outcome: Outcome; readonly onAgain: () => void }) {
  const { endpoint, secret, test } = outcome;
  const foot = test !== null && test.kind !== "running" && (
    <>
      <Button icon="retry" onClick={onAgain}>Send another test</Button>
      <span class="push"><ButtonLink href={agentLink(`webhooks/${endpoint.id}`)}>Open the webhook</ButtonLink></span>
    </>
  );
  return (
    <Card title="Saved" foot={foot === false ? undefined : foot}>
      <div class="stack">
        {secret !== null && <SecretShown secret={secret} />}
        {test !== null && <SavedTest endpoint={endpoint} state={test} />}
      </div>
    </Card>
  );
}

interface ConflictDialogProps {
  readonly onReload: () => Promise<void>;
  readonly onOverwrite: () => Promise<void>;
  readonly onClose: () => void;
}

/** Somebody else saved in the meantime. Only what was changed here is ever sent. */
function ConflictDialog({ onReload, onOverwrite, onClose }: ConflictDialogProps) {
  const run = (what: () => Promise<void>): void => {
    onClose();
    what().catch((error: unknown) => toast(messageOf(error), "bad"));
  };
  const foot = (
    <>
      <Button kind="quiet" onClick={onClose}>Go on editing</Button>
      <Button onClick={() => run(onReload)}>Load the present settings</Button>
      <Button kind="primary" onClick={() => run(onOverwrite)}>Save mine</Button>
    </>
  );
  return (
    <Dialog title="The webhook was changed elsewhere" onClose={onClose} foot={foot}>
      <p>Since you opened this page somebody else, or the server, changed this webhook. Nothing of yours is saved yet.</p>
      <p><strong>Load the present settings</strong> drops what you changed here. <strong>Save mine</strong> writes only the fields you changed and keeps the rest as it is now.</p>
    </Dialog>
  );
}
