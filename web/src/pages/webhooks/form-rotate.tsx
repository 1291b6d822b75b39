import { useState } from "preact/hooks";
import { messageOf } from "../../core/api.ts";
import { endpoints } from "../../core/client.ts";
import { localTime, urlParts } from "../../core/format.ts";
import type { Endpoint, SecretInfo } from "../../core/types.ts";
import { Banner, Button, CopyButton, Dialog, RadioGroup, type Option } from "../../ui/index.ts";
import type { Overlap } from "./form-model.ts";

export const overlaps: readonly Option<Overlap>[] = [
  { value: "0", label: "Stop at once" },
  { value: "3600", label: "1 hour" },
  { value: "86400", label: "24 hours" },
  { value: "604800", label: "7 days" },
];

/** For formats with a header of their own the overlap helps only those who check webhook-signature. */
export function overlapNote(format: string): string {
  const both = "Meanwhile every request carries the signatures of both secrets in webhook-signature, so that nothing is refused while you change your receiver.";
  return format === "standard" ? both : `${both} The signature header of the format ${format} has room for one only and uses the new secret at once.`;
}

/** A secret that is shown this once. */
export function SecretShown({ secret, publicKey }: { readonly secret: string; readonly publicKey?: string | undefined }) {
  return (
    <div class="stack stack-s">
      <Banner tone="warn" title="Copy the secret now">Put it into the settings of your receiver. After you leave this page it is not shown here again.</Banner>
      <div class="secret-box">
        <code class="anywhere" aria-label="Secret">{secret}</code>
        <CopyButton text={secret} label="Copy secret" small={false} />
      </div>
      {publicKey !== undefined && (
        <div class="secret-box">
          <span class="stack stack-s"><span class="small muted">Public key, for your receiver</span><code class="anywhere">{publicKey}</code></span>
          <CopyButton text={publicKey} label="Copy public key" small={false} />
        </div>
      )}
    </div>
  );
}

interface RotateDialogProps {
  readonly endpoint: Endpoint;
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

/** Makes a new secret and shows it once. */
export function RotateDialog({ endpoint: e, onChanged, onClose }: RotateDialogProps) {
  const [overlap, setOverlap] = useState<Overlap>("86400");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const [made, setMade] = useState<SecretInfo | null>(null);
  const { host } = urlParts(e.url);
  const rotate = (): void => {
    setBusy(true);
    setError(undefined);
    endpoints.rotateSecret(e.agent_id, e.id, { overlap_seconds: e.signed ? Number(overlap) : 0 }).then(
      (info) => {
        setMade(info);
        onChanged();
      },
      (failure: unknown) => {
        setError(failure);
        setBusy(false);
      },
    );
  };
  if (made !== null) {
    return (
      <Dialog title="The new secret" onClose={onClose} foot={<Button kind="primary" onClick={onClose}>I have copied it</Button>}>
        <SecretShown secret={made.secret} publicKey={made.public_key} />
        {made.previous_until !== null && <p class="muted">The old secret stays valid until {localTime(made.previous_until)}.</p>}
      </Dialog>
    );
  }
  const foot = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button kind="primary" icon="key" busy={busy} onClick={rotate}>{e.signed ? "Rotate secret" : "Generate secret"}</Button>
    </>
  );
  return (
    <Dialog title={e.signed ? `Rotate the secret of ${host}?` : `Add a secret to ${host}?`} onClose={onClose} foot={foot}>
      {e.signed ? (
        <>
          <p>A new secret is made. It signs every request from now on.</p>
          <RadioGroup label="How long should the old secret stay valid?" value={overlap} onValue={setOverlap} options={overlaps} />
          <p class="small muted">{overlapNote(e.format)}</p>
        </>
      ) : <p>A secret is made, and every request is signed with it from now on. Your receiver can then tell real requests from forged ones.</p>}
      {error !== undefined && <Banner tone="bad">{messageOf(error)}</Banner>}
    </Dialog>
  );
}
