import { useState } from "preact/hooks";
import { can } from "../../core/session.ts";
import { warnings } from "../../core/state.ts";
import { Banner, Button, Card, Field, Icon, RadioGroup, Select, TextInput } from "../../ui/index.ts";
import { overlapHint, overlaps } from "./actions/overlap.ts";
import { defaultsOf, type SecretChoice } from "./form-model.ts";
import type { PartProps } from "./form-parts.ts";

type Option = { readonly value: SecretChoice; readonly label: string; readonly hint: string };

const generate: Option = { value: "generate", label: "Generate a secret", hint: "You see and copy it right after you save." };
const own: Option = { value: "own", label: "Use my own secret", hint: "For a receiver that has one already." };

/** The secret that requests are signed with. Like everything else it changes with Save. */
export function SecretPart({ draft, set, errors, setting }: PartProps) {
  const signed = setting.saved?.endpoint.signed ?? false;
  if (!can("secrets:write")) return <ClosedSecret signed={signed} fresh={setting.saved === null} />;
  const options: readonly Option[] = signed
    ? [
        { value: "keep", label: "Keep the present secret", hint: "Nothing changes for your receiver." },
        { ...generate, label: "Regenerate the secret" },
        own,
        { value: "none", label: "Remove the secret", hint: "Requests are not signed any more." },
      ]
    : [generate, own, { value: setting.saved === null ? "none" : "keep", label: "No secret", hint: "Requests are sent without a signature." }];
  const preset = defaultsOf(setting.profiles, draft.profile);
  const format = draft.format !== "" ? draft.format : (preset?.format ?? "");
  const standardHeaders = draft.standardHeaders ?? preset?.standardHeaders ?? true;
  const rotates = signed && (draft.secret === "generate" || draft.secret === "own");
  const unsigned = draft.secret === "none" || (draft.secret === "keep" && !signed);
  return (
    <Card title="Secret" lead="With a secret every request is signed, so that your receiver can tell real requests from forged ones.">
      <div class="stack">
        <RadioGroup label="Secret" hideLabel value={draft.secret} onValue={(secret) => set({ secret })} options={options} />
        {draft.secret === "own" && <OwnSecret value={draft.ownSecret} onValue={(ownSecret) => set({ ownSecret })} error={errors["secret"]} />}
        {draft.secret !== "own" && errors["secret"] !== undefined && <Banner tone="bad">{errors["secret"]}</Banner>}
        {rotates && (
          <Field label="The old secret stops signing" hint={overlapHint(draft.overlap, format, standardHeaders)}>
            {(control) => <Select {...control} value={draft.overlap} options={overlaps} onValue={(overlap) => set({ overlap })} />}
          </Field>
        )}
        {unsigned && <Banner tone="warn" title="Requests are not signed">Whoever learns the URL can send forged events to it, and your receiver cannot tell.</Banner>}
      </div>
    </Card>
  );
}

function OwnSecret({ value, onValue, error }: { readonly value: string; readonly onValue: (value: string) => void; readonly error: string | undefined }) {
  const [shown, setShown] = useState(false);
  const weak = error === undefined && value.length >= 8 && new TextEncoder().encode(value).length < 24;
  return (
    <Field label="Your secret" hint={weak ? warnings.weak_secret.text : "8 to 256 characters, with no blanks at its ends."} error={error}>
      {(control) => (
        <span class="row row-tight">
          <TextInput {...control} type={shown ? "text" : "password"} value={value} onValue={onValue} mono autocomplete="new-password" />
          <Button icon={shown ? "hide" : "show"} onClick={() => setShown(!shown)}>{shown ? "Hide" : "Show"}</Button>
        </span>
      )}
    </Field>
  );
}

function ClosedSecret({ signed, fresh }: { readonly signed: boolean; readonly fresh: boolean }) {
  return (
    <Card title="Secret">
      <div class="stack stack-s">
        <p class="row row-tight"><Icon name="lock" /><span>{fresh ? "The webhook is made without a secret: requests are not signed." : signed ? "A secret is set: requests are signed. It stays as it is." : "No secret is set: requests are not signed."}</span></p>
        <p class="muted">You may not set or change secrets here, because your link does not include that right. Ask whoever runs this service for a link that does.</p>
      </div>
    </Card>
  );
}
