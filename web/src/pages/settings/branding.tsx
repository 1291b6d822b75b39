import { useCallback, useState } from "preact/hooks";
import { ApiError, base, messageOf } from "../../core/api.ts";
import { branding } from "../../core/client.ts";
import { parseHex } from "../../core/contrast.ts";
import { useLoad } from "../../core/load.ts";
import { useLeaveGuard } from "../../core/router.ts";
import { showBranding } from "../../core/session.ts";
import type { Branding, BrandingInput } from "../../core/types-server.ts";
import { Banner, Button, Card, ConfirmDialog, Field, Load, TextInput, toast } from "../../ui/index.ts";
import { ContrastCheck } from "./contrast-check.tsx";
import { accepted, type Logo, readLogo, wrongLogo } from "./image.ts";

export function BrandingTab() {
  const now = useLoad((signal) => branding.get(signal), []);
  return (
    <section class="stack" aria-label="Branding">
      <p class="muted">Your name, colour and logo, in the portal and here. Owners see them at their next visit.</p>
      <Load of={now}>{(b) => <Form saved={b} onSaved={(next) => now.set(() => next)} />}</Load>
    </section>
  );
}

const ownAccent = "#3e63dd";

function Form({ saved, onSaved }: { readonly saved: Branding; readonly onSaved: (branding: Branding) => void }) {
  const [name, setName] = useState(saved.name);
  const [accent, setAccent] = useState(saved.accent ?? "");
  /** Undefined: as it is. */
  const [logo, setLogo] = useState<Logo | null | undefined>(undefined);
  const [logoError, setLogoError] = useState("");
  const [error, setError] = useState<unknown>(undefined);
  const [busy, setBusy] = useState(false);
  const [leave, setLeave] = useState<(() => void) | null>(null);
  const color = accent.trim().toLowerCase();
  const wrongColor = color !== "" && parseHex(color) === null ? "Write a colour such as #3e63dd: a hash and six digits or letters a to f." : undefined;
  const input: BrandingInput = {
    ...(name.trim() === saved.name ? {} : { name: name.trim() === "" ? null : name.trim() }),
    ...(color === (saved.accent ?? "") ? {} : { accent: color === "" ? null : color }),
    ...(logo === undefined ? {} : { logo }),
  };
  const dirty = Object.keys(input).length > 0;
  useLeaveGuard(dirty, useCallback((go) => setLeave(() => go), []));
  const shownLogo = logo === undefined ? (saved.logo_url === null ? null : new URL(saved.logo_url, base).href) : logo === null ? null : `data:${logo.media_type};base64,${logo.data}`;
  const save = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const next = await branding.put(input);
      // What was entered meanwhile stays.
      setName((now) => (now === name ? next.name : now));
      setAccent((now) => (now === accent ? (next.accent ?? "") : now));
      setLogo((now) => (now === logo ? undefined : now));
      onSaved(next);
      showBranding(next);
      toast("The branding was saved");
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  const choose = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    const wrong = wrongLogo(file);
    setLogoError(wrong);
    if (wrong === "") setLogo(await readLogo(file));
  };
  const field = (name: string): string | undefined => (error instanceof ApiError ? error.field(name) : undefined);
  const foot = (
    <>
      <Button type="submit" kind="primary" busy={busy} disabled={!dirty || wrongColor !== undefined}>Save</Button>
      {dirty && <Button onClick={() => { setName(saved.name); setAccent(saved.accent ?? ""); setLogo(undefined); setLogoError(""); setError(undefined); }}>Discard changes</Button>}
    </>
  );
  return (
    <form noValidate onSubmit={(event) => { event.preventDefault(); if (dirty && wrongColor === undefined) void save(); }}>
      <Card foot={foot}>
        <div class="split">
          <div class="stack stack-l">
            <Field label="Name" hint="Beside the logo, and in the title of the window. Leave it empty for “Waybell”." error={field("name")}>
              {(c) => <TextInput {...c} value={name} onValue={setName} maxLength={100} />}
            </Field>
            <Field label="Accent colour" hint="For the main button and the current place. Leave it empty for the colour of Waybell." error={wrongColor ?? field("accent")}>
              {(c) => (
                <span class="row row-tight">
                  <input class="color-input" type="color" aria-label="Pick the accent colour" value={parseHex(color) === null ? ownAccent : color} onInput={(event) => setAccent(event.currentTarget.value)} />
                  <TextInput {...c} mono value={accent} onValue={setAccent} maxLength={7} placeholder={ownAccent} />
                  {accent !== "" && <Button onClick={() => setAccent("")}>Reset</Button>}
                </span>
              )}
            </Field>
            <Field label="Logo" note="optional" hint="PNG, WebP or JPEG, at most 64 KiB. It is shown 24 pixels high." error={logoError === "" ? field("logo") ?? field("logo.data") ?? field("logo.media_type") : logoError}>
              {(c) => <input {...c} class="input" type="file" accept={accepted} onChange={(event) => void choose(event.currentTarget.files?.[0])} />}
            </Field>
            {shownLogo !== null && (
              <div class="row">
                <span class="logo-preview logo-light"><img src={shownLogo} alt="The logo on white" /></span>
                <span class="logo-preview logo-dark"><img src={shownLogo} alt="The logo on black" /></span>
                <Button icon="delete" onClick={() => { setLogo(saved.logo_url === null ? undefined : null); setLogoError(""); }}>Remove logo</Button>
              </div>
            )}
            {error !== undefined && <Banner tone="bad">{messageOf(error)}</Banner>}
          </div>
          <ContrastCheck color={parseHex(color) === null ? ownAccent : color} />
        </div>
      </Card>
      {leave !== null && (
        <ConfirmDialog title="Leave without saving?" action="Leave" danger onConfirm={leave} onClose={() => setLeave(null)}>What you changed on this page is lost.</ConfirmDialog>
      )}
    </form>
  );
}
