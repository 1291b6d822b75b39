import { useState } from "preact/hooks";
import { ApiError, collect, messageOf } from "../../core/api.ts";
import { agents, eventTypes, server } from "../../core/client.ts";
import { profileTitle } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import type { Agent } from "../../core/types.ts";
import { Banner, Button, Checkbox, classes, Field, FieldError, Load, RadioGroup, Select, TextInput } from "../../ui/index.ts";
import { type AgentDraft, changesOf, idFromName } from "./words.ts";

export interface AgentFormProps {
  /** The agent to change, with its version; without one a new one is made. */
  readonly of?: { readonly agent: Agent; readonly etag: string | null };
  readonly action: string;
  readonly onDone: (agent: Agent) => void;
  readonly onCancel?: () => void;
  /** Told when a request begins, and when it failed. */
  readonly onBusy?: (busy: boolean) => void;
}

export function AgentForm({ of, action, onDone, onCancel, onBusy }: AgentFormProps) {
  const before = of?.agent ?? null;
  const [draft, setDraft] = useState<AgentDraft>({
    id: "", name: before?.name ?? "", profile: before?.profile ?? "standard", events: before?.available_events ?? null,
  });
  const [ownId, setOwnId] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const [busy, setBusy] = useState(false);
  const profiles = useLoad((signal) => server.profiles(signal), []);
  const names = [...new Set([draft.profile, ...(profiles.data?.profiles.map((p) => p.name) ?? [])])];
  const change = (part: Partial<AgentDraft>): void => setDraft({ ...draft, ...part });
  const submit = async (): Promise<void> => {
    if (draft.name.trim() === "") {
      setError(new ApiError(422, "invalid", "", [{ location: "body.name", message: "Give it a name." }]));
      return;
    }
    const work = (now: boolean): void => {
      setBusy(now);
      onBusy?.(now);
    };
    work(true);
    setError(undefined);
    try {
      const input = changesOf(draft, before);
      onDone(before === null ? await agents.create(input) : await agents.update(before.id, input, of?.etag ?? undefined));
    } catch (failure) {
      setError(failure);
      work(false);
    }
  };
  return (
    <form class="stack" noValidate onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <Field label="Name" error={problem(error, "name")} hint="What people see: a customer's or a bot's name.">
        {(c) => <TextInput {...c} value={draft.name} maxLength={200} onValue={(name) => change({ name, ...(ownId || before !== null ? {} : { id: idFromName(name) }) })} />}
      </Field>
      {before === null && (
        <Field label="Id" error={problem(error, "id") ?? (taken(error) ? "Another agent has this id." : undefined)} hint="What your platform calls it when it publishes events. It can never be changed.">
          {(c) => <TextInput {...c} mono value={draft.id} maxLength={128} placeholder="Made for you if you leave it empty" onValue={(id) => { setOwnId(id !== ""); change({ id }); }} />}
        </Field>
      )}
      <Field label="Profile of new webhooks" error={problem(error, "profile")} hint="How the body and the signature look. Each webhook can choose another one. If you are new here, keep Standard.">
        {(c) => <Select {...c} value={draft.profile} onValue={(profile) => change({ profile })} options={names.map((value) => ({ value, label: profileTitle(value) }))} />}
      </Field>
      <AvailableEvents value={draft.events} onChange={(events) => change({ events })} error={problem(error, "available_events")} />
      {error !== undefined && !known(error) && <Banner tone="bad">{error instanceof ApiError && error.status === 412 ? "Somebody else has changed this agent meanwhile. Close this and try again." : messageOf(error)}</Banner>}
      <div class={classes("row", onCancel !== undefined && "row-end")}>
        {onCancel !== undefined && <Button disabled={busy} onClick={onCancel}>Cancel</Button>}
        <Button type="submit" kind="primary" busy={busy}>{action}</Button>
      </div>
    </form>
  );
}

const taken = (error: unknown): boolean => error instanceof ApiError && error.code === "agent_exists";

function problem(error: unknown, field: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  return error.errors.find((e) => e.location === `body.${field}` || e.location.startsWith(`body.${field}[`))?.message;
}

const known = (error: unknown): boolean => taken(error) || ["name", "id", "profile", "available_events"].some((f) => problem(error, f) !== undefined);

/** Which events the agent has: what its plan does not produce cannot be subscribed to. */
function AvailableEvents({ value, onChange, error }: { readonly value: readonly string[] | null; readonly onChange: (value: readonly string[] | null) => void; readonly error: string | undefined }) {
  const [kept, setKept] = useState<readonly string[]>(value ?? []);
  const types = useLoad((signal) => collect((cursor) => eventTypes.list({ cursor, limit: 250 }, signal)), []);
  const choose = (next: readonly string[]): void => {
    setKept(next);
    onChange(next);
  };
  return (
    <div class="stack stack-s">
      <RadioGroup
        label="Events that it can have" value={value === null ? "all" : "some"} onValue={(v) => onChange(v === "all" ? null : kept)}
        options={[
          { value: "all", label: "All, now and later" },
          { value: "some", label: "Only these", hint: "Others are shown as not available, and no webhook can subscribe to them." },
        ]}
      />
      {value !== null && (
        <Load of={types} lines={4}>
          {(all) => (
            <div class="choices" role="group" aria-label="Available events">
              {all.map((t) => (
                <Checkbox
                  key={t.name} label={<code>{t.name}</code>} hint={t.description} checked={value.includes(t.name)}
                  onChecked={(on) => choose(on ? [...value, t.name] : value.filter((n) => n !== t.name))}
                />
              ))}
            </div>
          )}
        </Load>
      )}
      <FieldError error={error} />
    </div>
  );
}
