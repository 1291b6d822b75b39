import { useId } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { profileTitle } from "../../core/format.ts";
import type { Profile, Profiles } from "../../core/types.ts";
import { Card, Checkbox, Field, FieldError, Segmented, TextInput } from "../../ui/index.ts";
import { defaultsOf, withProfile } from "./form-model.ts";
import type { PartProps } from "./form-parts.ts";

/** How a request looks: profile, method, timeout, transcript. */
export function SendingPart({ draft, set, errors, setting }: PartProps) {
  const { profiles } = setting;
  const preset = defaultsOf(profiles, draft.profile)?.includeMessages ?? false;
  const transcript = draft.includeMessages ?? preset;
  return (
    <Card title="What is sent">
      <div class="stack">
        <ProfileCards profiles={profiles} value={draft.profile} onValue={(profile) => set(withProfile(draft, profile))} error={errors["profile"]} />
        <Checkbox
          label="Include the transcript" checked={transcript} onChecked={(on) => set({ includeMessages: on === preset ? null : on })}
          hint="The messages of the conversation are part of the body, where there are any."
        />
        <div class="row row-l field-row">
          <div class="field">
            <span class="field-label">Method</span>
            <Segmented label="Method" value={draft.method} onValue={(method) => set({ method })} options={[{ value: "POST", label: "POST" }, { value: "PUT", label: "PUT" }]} />
            <span class="field-hint">Almost every receiver takes POST.</span>
          </div>
          <Field label="Timeout" hint="From 1 to 120. Usually 30." error={errors["timeout_seconds"]}>
            {(control) => <span class="input-suffix"><TextInput {...control} inputMode="numeric" value={draft.timeout} onValue={(timeout) => set({ timeout })} /> seconds</span>}
          </Field>
        </div>
      </div>
    </Card>
  );
}

/** One sentence about each profile that comes with the server; the others say what they are. */
function profileText(profile: Profile, profiles: Profiles): string {
  switch (profile.name) {
    case "standard":
      return "For new receivers. Signed the way of Standard Webhooks, for which most languages have a library.";
    case "chatzuri":
      return "For receivers made for Chatzuri: its body and its header X-Chatzuri-Signature.";
    case "chatislav":
      return "For receivers made for Chatislav: its names, such as lead_collection, the transcript, and x-chatislav-signature. Refusals (4xx) are not tried again.";
    default: {
      const format = profiles.formats.find((f) => f.name === profile.format);
      const header = format?.signature?.header;
      return `Set up by your platform: the format ${profile.format}${header === undefined ? "" : `, signed in the header ${header}`}.`;
    }
  }
}

interface ProfileCardsProps {
  readonly profiles: Profiles;
  readonly value: string;
  readonly onValue: (profile: string) => void;
  readonly error: string | undefined;
}

function ProfileCards({ profiles, value, onValue, error }: ProfileCardsProps) {
  const name = useId();
  const missing = profiles.profiles.every((p) => p.name !== value);
  return (
    <fieldset class="field">
      <legend class="field-label">Profile</legend>
      <div class="choice-cards">
        {profiles.profiles.map((p) => (
          <label class="choice choice-card" key={p.name}>
            <input type="radio" name={name} value={p.name} checked={p.name === value} onChange={() => onValue(p.name)} />
            <span class="choice-text"><span class="strong">{profileTitle(p.name)}</span><span class="field-hint">{profileText(p, profiles)}</span></span>
          </label>
        ))}
      </div>
      {missing && <span class="field-hint">The present profile, {value}, is no longer set up on this server. It goes on working until you choose another.</span>}
      <span class="field-hint">It decides the names and the order of the fields in the body, how requests are signed, and what is tried again. The preview shows it; the <a href={agentLink("catalogue")}>event catalogue</a> has an example of every event.</span>
      <FieldError error={error} />
    </fieldset>
  );
}
