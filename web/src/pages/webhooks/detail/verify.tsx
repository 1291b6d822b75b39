import { useState } from "preact/hooks";
import { usePart } from "../../../core/part.ts";
import { preference } from "../../../core/preference.ts";
import type { Endpoint, FormatSignature, Preview } from "../../../core/types.ts";
import { Banner, Button, Card, CodeBlock, CopyButton, Loading, OtherVersion, Segmented } from "../../../ui/index.ts";
import type { Sample } from "./checker.tsx";
import { headerLines } from "./headers.ts";
import { fit, type Language, languages, recipeFor, type Signing, type TestVector, vectorOf } from "./verification.ts";

const language = preference<Language>("language", "javascript", languages.map((l) => l.id));

export interface VerifyProps {
  readonly endpoint: Endpoint;
  readonly signings: readonly Signing[];
  readonly preview: Preview;
  readonly ed25519: boolean;
  readonly onTry: (sample: Sample) => void;
}

/** Code to copy, for the very headers that this webhook sends, and a request to test it with. */
export function Verify({ endpoint, signings, preview, ed25519, onTry }: VerifyProps) {
  const [chosen, setChosen] = useState<string | null>(null);
  const signing = signings.find((s) => s.signature.header === chosen) ?? signings[0];
  if (ed25519) return <PublicKeyWay preview={preview} onTry={onTry} />;
  if (signing === undefined) {
    return <Card title="Verify our signature"><p class="muted">The format {endpoint.format} has no signature of its own, and the standard headers are switched off for this webhook. Switch them on in its settings to have requests signed.</p></Card>;
  }
  return (
    <Card title="Verify our signature" lead="Copy the function into your receiver. Call it with your secret, the headers, and the body exactly as it came.">
      <div class="stack">
        {signings.length > 1 && <Choice signings={signings} value={signing} onValue={setChosen} />}
        <Code signature={signing.signature} />
        <Vector vector={vectorOf(preview, signing.signature)} expected="the function says yes; with one letter of the body changed it says no." onTry={onTry} />
      </div>
    </Card>
  );
}

function Choice({ signings, value, onValue }: { readonly signings: readonly Signing[]; readonly value: Signing; readonly onValue: (header: string) => void }) {
  const timed = value.signature.signed === "id.timestamp.body";
  return (
    <div class="stack stack-s">
      <p class="muted">Requests of this webhook carry {signings.length} signatures. Check one of them:</p>
      <div><Segmented label="Signature header" value={value.signature.header} onValue={onValue} options={signings.map((s) => ({ value: s.signature.header, label: s.signature.header }))} /></div>
      <p class="muted small">{timed ? "The safer one: the time is signed, too, so a recorded request cannot be sent again later." : "The format's own: it signs the body alone. Refuse a webhook-id that you have seen before."}</p>
    </div>
  );
}

const examples = () => import("./sources.ts");

function Code({ signature }: { readonly signature: FormatSignature }) {
  const { part, missing } = usePart(examples);
  const recipe = recipeFor(signature);
  const shown = languages.find((l) => l.id === language.value) ?? languages[0];
  if (recipe === null) return <Banner tone="info" title="There is no ready example for this format">{inWords(signature)}</Banner>;
  return (
    <>
      <div><Segmented label="Language" value={shown.id} onValue={(id) => { language.value = id; }} options={languages.map((l) => ({ value: l.id, label: l.label }))} /></div>
      {missing && <OtherVersion />}
      {part === undefined && !missing && <Loading lines={12} />}
      {part !== undefined && <CodeBlock title={`${shown.label}: ${shown.file}`} text={fit(part.sources[recipe.example][shown.id], recipe).trimEnd()} tall />}
      {part !== undefined && shown.id === "rust" && <CodeBlock title="Cargo.toml" text={part.sources[recipe.example].cargo.trimEnd()} />}
      <p class="muted small">It uses what the language brings with it{shown.id === "rust" ? " and the crates above" : ""}. Our own tests run this very file{recipe.replace.length > 0 ? "; only the names of your format were put in" : ""}.</p>
    </>
  );
}

/** How a signature is made, for those who must write the code themselves. */
function inWords(s: FormatSignature): string {
  const key = s.key === "whsec" ? "the bytes that the secret encodes after whsec_, in base64" : "the secret as it is shown";
  const content = s.signed === "body" ? "the raw body" : "webhook-id, webhook-timestamp and the raw body, joined with full stops";
  return `The header ${s.header} holds ${s.prefix === "" ? "" : `“${s.prefix}” and then `}the ${s.algorithm.toUpperCase()} of ${content}, in ${s.encoding}. The key is ${key}.`;
}

function PublicKeyWay({ preview, onTry }: { readonly preview: Preview; readonly onTry: (sample: Sample) => void }) {
  return (
    <Card title="Verify our signature" lead="This webhook signs with a key pair (Ed25519): your receiver checks with the public key and holds no secret.">
      <div class="stack">
        <p>
          The header <code>webhook-signature</code> holds <code>v1a,</code> and the signature in base64. Signed is the text <code>webhook-id.webhook-timestamp.body</code>: the
          values of these two headers and the raw body, joined with full stops. The public key is the base64 after <code>whpk_</code>. Libraries for Standard Webhooks that know
          <code> v1a</code> do all of it. In Go, take the package <code class="anywhere">github.com/waybell/waybell/signature</code>.
        </p>
        <Vector vector={vectorOf(preview, null)} expected="the signature is valid for the public half of this key." onTry={onTry} />
      </div>
    </Card>
  );
}

/** A signed request with a public example secret: whoever copies the code can try it before anything is sent. */
function Vector({ vector, expected, onTry }: { readonly vector: TestVector | null; readonly expected: string; readonly onTry: (sample: Sample) => void }) {
  if (vector === null) return null;
  const headers = headerLines(vector.headers);
  const whole = JSON.stringify({ secret: vector.secret, headers: vector.headers, body: vector.body, ...(vector.now === null ? {} : { now: vector.now }), expected: true }, null, 2);
  return (
    <details class="wh-details">
      <summary>Test vector: try your code before we send anything</summary>
      <div class="stack">
        <p class="muted">
          Use these instead of a real request. The secret is a public example, never yours. Expected: {expected}
          {vector.now !== null && <> Give it <code>{vector.now}</code> as the present time (in seconds), or the request counts as too old.</>}
        </p>
        <CodeBlock title="Secret" text={vector.secret} />
        <CodeBlock title="Headers" text={headers} />
        <CodeBlock title="Body, one line, without a line break at its end" text={vector.body} />
        <div class="row">
          <Button icon="verified" onClick={() => onTry({ headers, body: vector.body, secret: vector.secret, from: "the test vector" })}>Try it in the checker</Button>
          <CopyButton small={false} text={whole} label="Copy as JSON" />
        </div>
      </div>
    </details>
  );
}
