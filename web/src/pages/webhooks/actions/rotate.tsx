import { useState } from "preact/hooks";
import { ApiError, messageOf } from "../../../core/api.ts";
import { endpoints } from "../../../core/client.ts";
import { localTime, urlParts } from "../../../core/format.ts";
import type { Endpoint, RotateInput, SecretInfo } from "../../../core/types.ts";
import { Banner, Button, Dialog, Field, RadioGroup, Select, TextInput } from "../../../ui/index.ts";
import { type Overlap, overlapHint, overlaps } from "./overlap.ts";
import { SecretDialog } from "./secret-shown.tsx";

type Kind = "generate" | "own" | "ed25519" | "shared";

interface RotateDialogProps {
  readonly endpoint: Endpoint;
  /** The present secret is a key pair. Where it is not known, a new one of the same kind is made. */
  readonly ed25519?: boolean;
  /** Closes the dialog, and shows what came of it. */
  readonly onDone: (info: SecretInfo) => void;
  readonly onClose: () => void;
}

/** Sets a first secret, or a new one beside the old. */
export function RotateDialog({ endpoint: e, ed25519 = false, onDone, onClose }: RotateDialogProps) {
  const [kind, setKind] = useState<Kind>("generate");
  const [own, setOwn] = useState("");
  const [overlap, setOverlap] = useState<Overlap>("86400");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const { host } = urlParts(e.url);
  const first = !e.signed;
  const field = error instanceof ApiError ? error.field("secret") : undefined;
  const submit = async (): Promise<void> => {
    if (busy || (kind === "own" && own === "")) return;
    setBusy(true);
    setError(undefined);
    try {
      const info = await endpoints.rotateSecret(e.agent_id, e.id, { ...inputFor(kind, own), ...(first ? {} : { overlap_seconds: Number(overlap) }) });
      onDone(info);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const foot = (
    <>
      <Button disabled={busy} onClick={onClose}>Cancel</Button>
      <Button kind="primary" busy={busy} disabled={kind === "own" && own === ""} onClick={() => void submit()}>{first ? "Set secret" : "Rotate secret"}</Button>
    </>
  );
  return (
    <Dialog title={first ? `Set a secret for ${host}` : `Rotate the secret of ${host}`} onClose={onClose} busy={busy} foot={foot}>
      <form class="stack" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
        <p>{first ? "From now on every request is signed with it. Put it into your receiver, so that it can check who sent a request." : "A new secret replaces the old one. Do it now and then, and at once if others may have seen it."}</p>
        <RadioGroup label="New secret" value={kind} onValue={setKind} options={kinds(e.format === "standard", ed25519)} />
        {kind === "own" && (
          <Field label="Your secret" hint="8 to 256 characters; take 24 or more at random." error={field}>
            {(control) => <TextInput {...control} mono value={own} onValue={setOwn} />}
          </Field>
        )}
        {!first && (
          <Field label="The old secret stops signing" hint={overlapHint(overlap, e.format, e.standard_headers)}>
            {(control) => <Select {...control} value={overlap} onValue={setOverlap} options={overlaps} />}
          </Field>
        )}
        {error !== undefined && field === undefined && <Banner tone="bad">{messageOf(error)}</Banner>}
      </form>
    </Dialog>
  );
}

/** What came of it, where the page shows no secrets. */
export function NewSecretDialog({ info, onClose }: { readonly info: SecretInfo; readonly onClose: () => void }) {
  return (
    <SecretDialog title="The new secret" secret={info.secret} publicKey={info.public_key} onClose={onClose}>
      {info.previous_until !== null && <p class="muted">The old secret signs, too, until {localTime(info.previous_until)}.</p>}
    </SecretDialog>
  );
}

interface KindOption {
  readonly value: Kind;
  readonly label: string;
  readonly hint: string;
}

function kinds(standard: boolean, ed25519: boolean): readonly KindOption[] {
  const own: KindOption = { value: "own", label: "Use my own", hint: "For a receiver whose secret is fixed." };
  if (ed25519) {
    return [
      { value: "generate", label: "Generate a key pair (Ed25519)", hint: "As now: the receiver gets the public key and holds no secret." },
      { value: "shared", label: "Generate a shared secret", hint: "Known to us and to the receiver. Most libraries expect one." },
      own,
    ];
  }
  const generate: KindOption = { value: "generate", label: "Generate one", hint: "At random. Right for nearly everybody." };
  if (!standard) return [generate, own];
  return [generate, own, { value: "ed25519", label: "Generate a key pair (Ed25519)", hint: "The receiver gets a public key and holds no secret. Few receivers know it." }];
}

function inputFor(kind: Kind, own: string): RotateInput {
  switch (kind) {
    case "own":
      return { secret: own };
    case "ed25519":
      return { generate_secret: "ed25519" };
    case "shared":
      return { generate_secret: true };
    case "generate":
      return {}; // of the kind it has
  }
}
