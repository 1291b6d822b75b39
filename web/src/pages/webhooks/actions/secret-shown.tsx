import { can } from "../../../core/session.ts";
import { Banner, CopyButton } from "../../../ui/index.ts";

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

function SecretBox({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <div class="secret-box">
      <code class="anywhere" aria-label={name}>{text}</code>
      <CopyButton text={text} label={`Copy ${name.toLowerCase()}`} small={false} />
    </div>
  );
}
