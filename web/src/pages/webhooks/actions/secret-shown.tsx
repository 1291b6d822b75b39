import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { can } from "../../../core/session.ts";
import { Banner, Button, CopyButton, Dialog } from "../../../ui/index.ts";

/** A secret that was just made. */
export function SecretShown({ secret, publicKey }: { readonly secret: string; readonly publicKey?: string | undefined }) {
  const again = can("secrets:read") ? "Later you find it under Security." : "It cannot be shown to you again.";
  return (
    <div class="stack stack-s">
      {publicKey === undefined
        ? <Banner tone="warn" title="Copy the secret now">Put it into the settings of your receiver. {again}</Banner>
        : <Banner tone="warn" title="Copy the public key now">Your receiver needs this key only. {again}</Banner>}
      {publicKey !== undefined && <SecretBox name="Public key" text={publicKey} />}
      <SecretBox name={publicKey === undefined ? "Secret" : "Private key"} text={secret} />
    </div>
  );
}

interface SecretDialogProps {
  readonly title: string;
  readonly secret: string;
  readonly publicKey?: string | undefined;
  readonly children?: ComponentChildren;
  readonly onClose: () => void;
}

/** Shows a new secret where the page has no place of its own for it. A stray click loses none that cannot be shown again. */
export function SecretDialog({ title, secret, publicKey, children, onClose }: SecretDialogProps) {
  const [asked, setAsked] = useState(false);
  const close = (): void => (asked || can("secrets:read") ? onClose() : setAsked(true));
  return (
    <Dialog title={title} onClose={close} foot={<Button kind="primary" onClick={onClose}>I have copied it</Button>}>
      {asked && <Banner tone="bad" title="Have you copied it?">It cannot be shown again. Press “I have copied it”, or close this once more.</Banner>}
      <SecretShown secret={secret} publicKey={publicKey} />
      {children}
    </Dialog>
  );
}

function SecretBox({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <div class="secret-box">
      <code class="anywhere" aria-label={name}>{text}</code>
      <CopyButton text={text} label={`Copy ${name.toLowerCase()}`} small={false} />
    </div>
  );
}
