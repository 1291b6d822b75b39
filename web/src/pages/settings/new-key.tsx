import { useState } from "preact/hooks";
import { ApiError, base, messageOf } from "../../core/api.ts";
import { keys } from "../../core/client.ts";
import type { ApiKey, Scope } from "../../core/types-server.ts";
import { Banner, Button, Checkbox, CodeBlock, Dialog, Field, FieldError, RadioGroup, TextInput } from "../../ui/index.ts";
import { AgentChoice } from "./agent-choice.tsx";
import { implied, needed, scopes } from "./scopes.ts";

/** Makes a key, and shows it the one time that it can be seen. */
export function NewKey({ onCreated, onClose }: { readonly onCreated: () => void; readonly onClose: () => void }) {
  const [made, setMade] = useState<ApiKey | null>(null);
  if (made !== null) return <Made apiKey={made} onClose={onClose} />;
  return <Form onClose={onClose} onMade={(key) => { setMade(key); onCreated(); }} />;
}

function Form({ onMade, onClose }: { readonly onMade: (key: ApiKey) => void; readonly onClose: () => void }) {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<Scope>>(new Set<Scope>(["events:write"]));
  const [agents, setAgents] = useState<readonly string[] | null>(null);
  const [error, setError] = useState<unknown>(undefined);
  const [busy, setBusy] = useState(false);
  const held = implied(chosen);
  const create = async (): Promise<void> => {
    if (busy) return; // Enter in the name asks the form, not the button
    setBusy(true);
    setError(undefined);
    try {
      onMade(await keys.create({ name: name.trim(), scopes: needed(chosen), ...(agents === null ? {} : { agent_ids: agents }) }));
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const toggle = (scope: Scope, on: boolean): void => {
    const next = new Set(chosen);
    if (on) next.add(scope);
    else next.delete(scope);
    setChosen(next);
  };
  const missing = chosen.size === 0 ? "Choose at least one thing that it may do." : agents !== null && agents.length === 0 ? "Choose at least one agent, or all." : "";
  const foot = (
    <>
      <Button disabled={busy} onClick={onClose}>Cancel</Button>
      <Button kind="primary" busy={busy} disabled={missing !== ""} onClick={() => void create()}>Create key</Button>
    </>
  );
  return (
    <Dialog title="New API key" onClose={onClose} busy={busy} foot={foot}>
      <form class="stack" onSubmit={(event) => { event.preventDefault(); if (missing === "") void create(); }}>
        <Field label="Name" note="optional" hint="Which program uses it, such as “billing” or “staging”." error={error instanceof ApiError ? error.field("name") : undefined}>
          {(c) => <TextInput {...c} value={name} onValue={setName} maxLength={200} />}
        </Field>
        <fieldset class="field">
          <legend class="field-label">It may</legend>
          <div class="stack stack-s">
            {scopes.map((s) => (
              <Checkbox
                key={s.scope} label={<>{s.label} <code class="muted small">{s.scope}</code></>} hint={s.hint}
                checked={chosen.has(s.scope) || held.has(s.scope)} disabled={held.has(s.scope)} onChecked={(on) => toggle(s.scope, on)}
              />
            ))}
          </div>
        </fieldset>
        <RadioGroup
          label="For" value={agents === null ? "all" : "some"} onValue={(v) => setAgents(v === "all" ? null : [])}
          options={[{ value: "all", label: "All agents, now and later" }, { value: "some", label: "Only some agents", hint: "To this key, others do not exist." }]}
        />
        {agents !== null && <AgentChoice chosen={agents} onChange={setAgents} />}
        <FieldError error={missing} />
        {error !== undefined && <Banner tone="bad">{messageOf(error)}</Banner>}
      </form>
    </Dialog>
  );
}

function Made({ apiKey, onClose }: { readonly apiKey: ApiKey; readonly onClose: () => void }) {
  const [asked, setAsked] = useState(false);
  const key = apiKey.key ?? "";
  // A stray click beside the dialog must not lose the key.
  const close = (): void => (asked ? onClose() : setAsked(true));
  return (
    <Dialog title="Copy the key now" onClose={close} foot={<Button kind="primary" onClick={onClose}>I have copied it</Button>}>
      <Banner tone="warn" title="It is shown only this once">Keep it where your program keeps its secrets. If it gets lost, make a new key and revoke this one.</Banner>
      {asked && <Banner tone="bad" title="Have you copied it?">It cannot be shown again. Press “I have copied it”, or close this once more.</Banner>}
      <CodeBlock title="API key" text={key} />
      <CodeBlock title="Try it" text={`export WAYBELL_API_KEY='${key}'\ncurl -sS '${base.href}v1/session' -H "Authorization: Bearer $WAYBELL_API_KEY"`} />
    </Dialog>
  );
}
