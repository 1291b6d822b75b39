import { useState } from "preact/hooks";
import { ApiError, messageOf } from "../../../core/api.ts";
import { endpoints } from "../../../core/client.ts";
import type { Endpoint, RotateInput, SecretInfo } from "../../../core/types.ts";
import { Banner, Button, Dialog, Field, RadioGroup, Select, TextInput } from "../../../ui/index.ts";

const overlaps = [
  { value: "0", label: "At once" },
  { value: "3600", label: "After 1 hour" },
  { value: "86400", label: "After 24 hours" },
  { value: "604800", label: "After 7 days" },
] as const;
type Overlap = (typeof overlaps)[number]["value"];
type Kind = "generate" | "own" | "ed25519";

export interface RotateDialogProps {
  readonly endpoint: Endpoint;
  readonly ed25519: boolean;
  readonly onDone: (info: SecretInfo) => void;
  readonly onClose: () => void;
}

/** Sets a first secret, or a new one beside the old. */
export function RotateDialog({ endpoint: e, ed25519, onDone, onClose }: RotateDialogProps) {
  const [kind, setKind] = useState<Kind>(ed25519 ? "ed25519" : "generate");
  const [own, setOwn] = useState("");
  const [overlap, setOverlap] = useState<Overlap>("86400");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const first = !e.signed;
  const action = first ? "Set secret" : "Rotate secret";
  const field = error instanceof ApiError ? error.field("secret") : undefined;
  const submit = async (): Promise<void> => {
    if (busy || (kind === "own" && own === "")) return;
    setBusy(true);
    setError(undefined);
    try {
      onDone(await endpoints.rotateSecret(e.agent_id, e.id, { ...inputFor(kind, own), ...(first ? {} : { overlap_seconds: Number(overlap) }) }));
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const foot = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button kind="primary" busy={busy} disabled={kind === "own" && own === ""} onClick={() => void submit()}>{action}</Button>
    </>
  );
  return (
    <Dialog title={first ? "Set a secret" : "Rotate the secret"} onClose={onClose} foot={foot}>
      <form class="stack" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
        <p>{first ? "From now on every request is signed with it. Put it into your receiver, so that it can check who sent a request." : "A new secret replaces the old one. Rotate it at times, and at once if it may have been seen by others."}</p>
        <RadioGroup label="New secret" value={kind} onValue={setKind} options={kinds(e.format === "standard")} />
        {kind === "own" && (
          <Field label="Your secret" hint="8 to 256 characters; take 24 or more at random." error={field}>
            {(control) => <TextInput {...control} mono value={own} onValue={setOwn} />}
          </Field>
        )}
        {!first && (
          <Field label="The old secret stops signing" hint={overlapHint(e, overlap)}>
            {(control) => <Select {...control} value={overlap} onValue={setOverlap} options={overlaps} />}
          </Field>
        )}
        {error !== undefined && field === undefined && <Banner tone="bad">{messageOf(error)}</Banner>}
      </form>
    </Dialog>
  );
}

function kinds(standard: boolean): readonly { readonly value: Kind; readonly label: string; readonly hint: string }[] {
  const all: { value: Kind; label: string; hint: string }[] = [
    { value: "generate", label: "Generate one", hint: "A random secret of 32 bytes. Right for nearly everybody." },
    { value: "own", label: "Use my own", hint: "For a receiver whose secret is fixed." },
  ];
  if (standard) all.push({ value: "ed25519", label: "Generate a key pair (Ed25519)", hint: "The receiver gets a public key and holds no secret. Few receivers know it." });
  return all;
}

function inputFor(kind: Kind, own: string): RotateInput {
  if (kind === "own") return { secret: own };
  return { generate_secret: kind === "ed25519" ? "ed25519" : true };
}

function overlapHint(e: Endpoint, overlap: Overlap): string {
  if (overlap === "0") return "Requests are refused until your receiver has the new secret. They are retried.";
  if (e.format === "standard") return "Until then requests carry both signatures, so that nothing is refused while you change your receiver.";
  const both = e.standard_headers ? "only webhook-signature carries both" : "it has room for one only";
  return `The signature of the format ${e.format} is made with the new secret at once: ${both}.`;
}
