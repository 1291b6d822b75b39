import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { shell as shellName } from "../core/agent.ts";
import { startClock } from "../core/clock.ts";
import { host } from "../core/host.ts";
import { startKeys } from "../core/keys.ts";
import { showTheme, theme } from "../core/preference.ts";
import { startRouter } from "../core/router.ts";
import { sessionState, type Shell, startSession } from "../core/session.ts";
import { Loading } from "../ui/feedback.tsx";
import { Toasts } from "../ui/index.ts";
import { KeyboardHelp } from "./help.tsx";
import { OfferedSession } from "./offered-session.tsx";
import { SignedOut } from "./signed-out.tsx";

const framed = window.parent !== window;

function App({ name, Main }: { readonly name: Shell; readonly Main: preact.ComponentType }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => (box.current === null || !framed ? undefined : host.reportHeight(box.current)), []);
  const state = sessionState.value;
  return (
    <div ref={box}>
      {state.kind === "starting" && <Loading label="Signing in" />}
      {state.kind === "out" && <SignedOut state={state} shell={name} framed={framed} />}
      {state.kind === "active" && <Main />}
      {state.kind === "active" && <KeyboardHelp />}
      {state.kind === "active" && <OfferedSession />}
      <Toasts />
    </div>
  );
}

/** Starts a shell. The key of the link is taken out of the address before anything reads it. */
export function start(name: Shell, Main: preact.ComponentType): void {
  const root = document.getElementById("app");
  if (root === null) throw new Error("the page has no place for the app");
  shellName.value = name;
  showTheme(theme.peek());
  if (name === "portal") host.listen();
  const started = startSession(name);
  startRouter();
  startClock();
  startKeys();
  root.replaceChildren(); // the text that stood there until now
  render(<App name={name} Main={Main} />, root);
  void started;
}
