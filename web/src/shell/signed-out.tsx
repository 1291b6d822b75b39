import { useState } from "preact/hooks";
import { messageOf } from "../core/api.ts";
import { type SessionState, type Shell, signIn } from "../core/session.ts";
import { Banner, Button, Field, Icon, TextInput } from "../ui/index.ts";

type Out = Extract<SessionState, { kind: "out" }>;

/** Says why nobody is signed in, and what to do. */
export function SignedOut({ state, shell, framed }: { readonly state: Out; readonly shell: Shell; readonly framed: boolean }) {
  const words = shell === "console" ? consoleWords(state) : portalWords(state, framed);
  return (
    <main class="signin">
      <div class="signin-card">
        <span class="brand"><span class="brand-mark"><Icon name="bell" /></span> {shell === "console" ? "Waybell console" : "Webhooks"}</span>
        <div class="stack stack-s">
          <h1>{words.title}</h1>
          <p class="muted">{words.text}</p>
          {state.detail !== undefined && <Banner tone="bad">{state.detail}</Banner>}
        </div>
        {shell === "console" && <SignInForm />}
        {state.why === "failed" && <Button icon="retry" onClick={() => window.location.reload()}>Try again</Button>}
      </div>
    </main>
  );
}

interface Words {
  readonly title: string;
  readonly text: preact.ComponentChildren;
}

function consoleWords(state: Out): Words {
  const fresh = <>For a new link, run <code>waybell console</code> where the server runs, or sign in with an API key.</>;
  switch (state.why) {
    case "no_link":
      return { title: "Sign in", text: <>Open the sign-in link that the server printed when it started. It works once: for a new one, run <code>waybell console</code> where the server runs, or sign in with an API key.</> };
    case "link_used":
      return { title: "This link does not work any more", text: <>A sign-in link works once, and only for a short time. {fresh}</> };
    case "ended":
      return { title: "Your session has ended", text: fresh };
    case "signed_out":
      return { title: "You are signed out", text: fresh };
    case "failed":
      return { title: "Signing in did not work", text: fresh };
  }
}

function portalWords(state: Out, framed: boolean): Words {
  const again = framed ? "Load the page around this one again." : "Go back to where you found the link, and open it from there again.";
  switch (state.why) {
    case "link_used":
      return { title: "This link does not work any more", text: `It works once, and only for a short time. ${again}` };
    case "ended":
    case "signed_out":
      return { title: "Your session has ended", text: again };
    case "failed":
      return { title: "This did not work", text: again };
    case "no_link":
      return { title: "Open your webhooks from your platform", text: "This page is opened by a link in the settings of the platform that you use." };
  }
}

function SignInForm() {
  const [key, setKey] = useState("");
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setBusy(true);
    setError("");
    try {
      await signIn(key.trim());
    } catch (failure) {
      setError(messageOf(failure));
      setBusy(false);
    }
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (key.trim() === "") setError("Paste an API key.");
        else void submit();
      }}
    >
      <Field label="API key" error={error} hint="It is not stored. This tab gets a session in its place, until you close it or sign out.">
        {(control) => <TextInput {...control} type="password" value={key} onValue={setKey} mono autocomplete="off" />}
      </Field>
      <Button type="submit" kind="primary" busy={busy}>Sign in</Button>
    </form>
  );
}
