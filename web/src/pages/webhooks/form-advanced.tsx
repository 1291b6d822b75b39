import { useEffect, useRef } from "preact/hooks";
import { Checkbox, Field, Icon, Select, TextInput } from "../../ui/index.ts";
import { defaultsOf, type Draft, effectiveRetry, type FieldErrors } from "./form-model.ts";
import type { PartProps } from "./form-parts.ts";
import { waitsText, waitText } from "./form-waits.ts";

const places = ["format", "standard_headers", "retry.policy", "retry.schedule_seconds", "retry.window_seconds", "rate_limit_per_second", "concurrency"];
const hasError = (errors: FieldErrors): boolean => places.some((p) => errors[p] !== undefined);
const isUsed = (d: Draft): boolean => d.format !== "" || d.standardHeaders !== null || d.policy !== "" || d.schedule !== null || d.window !== null || d.rate !== "" || d.concurrency !== "";

/** What most webhooks never need: own schedules, limits, and departures from the profile. */
export function AdvancedPart(props: PartProps) {
  const { draft, set, errors, setting } = props;
  const box = useRef<HTMLDetailsElement>(null);
  const first = useRef(isUsed(draft));
  const wrong = hasError(errors);
  useEffect(() => {
    if (box.current !== null && (wrong || first.current)) box.current.open = true;
  }, [wrong]);
  return (
    <details class="card advanced" ref={box}>
      <summary class="card-head"><Icon name="right" /><h2>Advanced</h2><span class="muted small">Own schedule, limits, format</span></summary>
      <div class="card-body stack stack-l">
        <ScheduleFields {...props} />
        <hr class="rule" />
        <div class="grid">
          <Field label="Rate limit" note="requests per second" hint="Empty: no limit. What is too much waits; nothing is lost." error={errors["rate_limit_per_second"]}>
            {(control) => <TextInput {...control} inputMode="decimal" value={draft.rate} onValue={(rate) => set({ rate })} placeholder="No limit" />}
          </Field>
          <Field label="Concurrency" note="requests at once" hint="Empty: the server's default." error={errors["concurrency"]}>
            {(control) => <TextInput {...control} inputMode="numeric" value={draft.concurrency} onValue={(concurrency) => set({ concurrency })} placeholder="Default" />}
          </Field>
        </div>
        <hr class="rule" />
        <FormatFields draft={draft} set={set} errors={errors} setting={setting} />
      </div>
    </details>
  );
}

function ScheduleFields({ draft, set, errors, setting }: PartProps) {
  const { profiles } = setting;
  const preset = defaultsOf(profiles, draft.profile)?.policy ?? "";
  const retry = effectiveRetry(draft, profiles);
  const policies = [{ value: "", label: `As the profile says (${preset === "" ? retry.policy : preset})` }, ...profiles.retry_policies.map((p) => ({ value: p.name, label: p.name }))];
  const custom = draft.schedule !== null || draft.window !== null;
  const toggle = (on: boolean): void => set(on ? { schedule: waitsText(retry.schedule_seconds), window: waitText(retry.window_seconds) } : { schedule: null, window: null });
  return (
    <div class="stack">
      <Field label="Retry policy" hint="Which answers are tried again. The text under Retries says what it means." error={errors["retry.policy"]}>
        {(control) => <Select {...control} value={draft.policy} options={policies} onValue={(policy) => set({ policy })} />}
      </Field>
      <Checkbox label="Use my own schedule" hint="Instead of the policy's. The line under Retries shows what comes of it." checked={custom} onChecked={toggle} />
      {custom && (
        <div class="grid schedule-grid">
          <Field label="Waits" hint="The wait after each attempt, with commas between: 5 s, 1 min, 2 h. Empty: a single attempt." error={errors["retry.schedule_seconds"]}>
            {(control) => <TextInput {...control} mono value={draft.schedule ?? waitsText(retry.schedule_seconds)} onValue={(schedule) => set({ schedule })} />}
          </Field>
          <Field label="Total time" hint="After it nothing more is tried. At most 7 d." error={errors["retry.window_seconds"]}>
            {(control) => <TextInput {...control} mono value={draft.window ?? waitText(retry.window_seconds)} onValue={(window) => set({ window })} />}
          </Field>
        </div>
      )}
    </div>
  );
}

function FormatFields({ draft, set, errors, setting }: PartProps) {
  const { profiles } = setting;
  const preset = defaultsOf(profiles, draft.profile);
  const name = draft.format === "" ? (preset?.format ?? "") : draft.format;
  const optional = profiles.formats.find((f) => f.name === name)?.standard_headers_optional ?? name !== "standard";
  const formats = [{ value: "", label: `As the profile says (${preset?.format ?? "kept"})` }, ...profiles.formats.map((f) => ({ value: f.name, label: f.name }))];
  const standard = draft.standardHeaders ?? preset?.standardHeaders ?? true;
  return (
    <div class="stack">
      <Field label="Format" hint="Body, header names and signature, where they should differ from the profile." error={errors["format"]}>
        {(control) => <Select {...control} value={draft.format} options={formats} onValue={(format) => set({ format, standardHeaders: null })} />}
      </Field>
      <Checkbox
        label="Send the standard headers" checked={standard || !optional} disabled={!optional}
        onChecked={(on) => set({ standardHeaders: on === (preset?.standardHeaders ?? true) ? null : on })}
        hint={optional ? "webhook-id, webhook-timestamp and webhook-signature, besides the format's own header." : `webhook-id, webhook-timestamp and webhook-signature. The format ${name} needs them.`}
      />
    </div>
  );
}

