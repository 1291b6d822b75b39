import { useCallback, useEffect, useState } from "preact/hooks";
import { endpoints } from "../../../core/client.ts";
import { second, serverNow } from "../../../core/clock.ts";
import { absoluteUtc, duration, urlParts } from "../../../core/format.ts";
import { can } from "../../../core/session.ts";
import { warnings } from "../../../core/state.ts";
import type { Endpoint, SecretInfo } from "../../../core/types.ts";
import { Banner, Button, Card, ConfirmDialog, CopyButton, Icon, toast, toastError } from "../../../ui/index.ts";
import { RotateDialog } from "../actions/rotate.tsx";
import type { Detail } from "./subject.ts";

/** How long a secret stays on the screen. */
const shownFor = 60_000;

interface Shown {
  readonly info: SecretInfo;
  /** Null: it stays, because it cannot be shown again. */
  readonly hideAt: number | null;
  readonly fresh: boolean;
}

export function SecretCard({ detail, ed25519 }: { readonly detail: Detail; readonly ed25519: boolean }) {
  const { endpoint: e } = detail;
  const [shown, setShown] = useState<Shown | null>(null);
  const [asked, setAsked] = useState<"rotate" | "remove" | null>(null);
  const show = useCallback((info: SecretInfo, fresh: boolean) => {
    setShown({ info, fresh, hideAt: fresh && !can("secrets:read") ? null : serverNow() + shownFor });
  }, [e.id]);
  const hide = useCallback(() => setShown(null), []);
  return (
    <Card
      title="Secret"
      lead={e.signed ? "Every request carries a signature made with this secret. Your receiver uses it to check that a request is really ours." : undefined}
      actions={e.signed && can("secrets:write") && (
        <>
          <Button size="small" icon="retry" onClick={() => setAsked("rotate")}>Rotate…</Button>
          <Button size="small" icon="delete" onClick={() => setAsked("remove")}>Remove…</Button>
        </>
      )}
    >
      <div class="stack">
        {!e.signed && <Unsigned onSet={() => setAsked("rotate")} />}
        {shown !== null && <ShownSecret shown={shown} onHide={hide} />}
        {shown === null && e.signed && <Hidden detail={detail} ed25519={ed25519} onShow={(info) => show(info, false)} />}
        <PreviousCountdown endpoint={e} />
      </div>
      {asked === "rotate" && (
        <RotateDialog
          endpoint={e} ed25519={ed25519} onClose={() => setAsked(null)}
          onDone={(info) => {
            setAsked(null);
            show(info, true);
            detail.refresh();
          }}
        />
      )}
      {asked === "remove" && <RemoveDialog detail={detail} onClose={() => setAsked(null)} onDone={hide} />}
    </Card>
  );
}

function Unsigned({ onSet }: { readonly onSet: () => void }) {
  const may = can("secrets:write");
  return (
    <Banner tone="warn" title="Requests are not signed" action={may && <Button size="small" icon="key" onClick={onSet}>Set a secret</Button>}>
      Without a secret your receiver cannot tell our requests from anybody else's. {may ? "" : "You may not set one here: ask the platform."}
    </Banner>
  );
}

function Hidden({ detail: { endpoint: e }, ed25519, onShow }: { readonly detail: Detail; readonly ed25519: boolean; readonly onShow: (info: SecretInfo) => void }) {
  const [busy, setBusy] = useState(false);
  const reveal = async (): Promise<void> => {
    setBusy(true);
    try {
      onShow(await endpoints.secret(e.agent_id, e.id));
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  if (!can("secrets:read")) return <p class="muted">A secret is set. You may not see it here: ask the platform{can("secrets:write") ? ", or rotate it to get a new one" : ""}.</p>;
  return (
    <div class="row">
      <code class="wh-secret muted" aria-label="The secret is hidden">••••••••••••••••••••••••</code>
      <Button icon="show" busy={busy} onClick={() => void reveal()}>{ed25519 ? "Show keys" : "Reveal"}</Button>
      <span class="muted small">This is written to the server's log.</span>
    </div>
  );
}

/** A secret in sight, with the time until it hides itself. */
function ShownSecret({ shown: { info, hideAt, fresh }, onHide }: { readonly shown: Shown; readonly onHide: () => void }) {
  const left = hideAt === null ? null : Math.ceil((hideAt - second.value) / 1_000);
  useEffect(() => {
    if (hideAt === null) return;
    const timer = setTimeout(onHide, hideAt - serverNow());
    return () => clearTimeout(timer);
  }, [hideAt, onHide]);
  const weak = info.warnings.includes("weak_secret");
  return (
    <div class="stack stack-s" role="group" aria-label={fresh ? "New secret" : "Secret"}>
      {fresh && <p><strong>This is the new secret.</strong> Copy it into your receiver now.{hideAt === null && " It cannot be shown to you again."}</p>}
      {info.public_key !== undefined && (
        <>
          <p class="muted small">Your receiver needs the public key only. It is no secret.</p>
          <SecretLine name="Public key" text={info.public_key} />
        </>
      )}
      <SecretLine name={info.public_key === undefined ? "Secret" : "Private key"} text={info.secret} />
      <div class="row">
        <Button size="small" icon="hide" onClick={onHide}>Hide</Button>
        {left !== null && <span class="muted small number">Hides itself in {Math.max(0, Math.min(60, left))} s</span>}
      </div>
      {weak && <Banner tone="warn" title={warnings.weak_secret.title}>{warnings.weak_secret.text}</Banner>}
    </div>
  );
}

function SecretLine({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <div class="row">
      <span class="muted wh-secret-name">{name}</span>
      <code class="wh-secret anywhere">{text}</code>
      <CopyButton text={text} label={`Copy ${name.toLowerCase()}`} />
    </div>
  );
}

/** Counts down until the secret before stops signing. */
function PreviousCountdown({ endpoint: e }: { readonly endpoint: Endpoint }) {
  const until = e.previous_secret_until;
  if (until === null) return null;
  const left = (Date.parse(until) - second.value) / 1_000;
  if (left <= 0) return <p class="row"><Icon name="check" /> <span>The old secret has stopped signing.</span></p>;
  return (
    <Banner tone="info" title={<>The old secret signs, too, for another <span class="number" title={absoluteUtc(until)}>{duration(left)}</span></>}>
      {e.format === "standard"
        ? "Requests carry both signatures until then. Put the new secret into your receiver in this time, and nothing is refused."
        : "The webhook-signature header carries both signatures until then. The platform's own signature header is made with the new secret already: a receiver that checks that one needs the new secret now."}
    </Banner>
  );
}

function RemoveDialog({ detail: { endpoint: e, refresh }, onClose, onDone }: { readonly detail: Detail; readonly onClose: () => void; readonly onDone: () => void }) {
  const remove = async (): Promise<void> => {
    await endpoints.removeSecret(e.agent_id, e.id);
    toast("The secret is removed. Requests are not signed any more.");
    onDone();
    refresh();
  };
  return (
    <ConfirmDialog title="Remove the secret?" action="Remove secret" danger typed={urlParts(e.url).host} onConfirm={remove} onClose={onClose}>
      <p>From the next request on nothing is signed. A receiver that checks signatures refuses every request, also those that are being retried.</p>
      <p>The secret, and an old one that still signs, are destroyed: they cannot be brought back. To change the secret, rotate it instead.</p>
    </ConfirmDialog>
  );
}

