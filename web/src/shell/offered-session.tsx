import { go, link, releaseGuard } from "../core/router.ts";
import { acceptOffer, declineOffer, offered, session } from "../core/session.ts";
import type { Session } from "../core/types-server.ts";
import { ConfirmDialog } from "../ui/index.ts";

/** Asks before a link signs in as somebody else than who is signed in. */
export function OfferedSession() {
  const next = offered.value;
  const now = session.value;
  if (next === null || now === null) return null;
  const accept = (): void => {
    acceptOffer();
    // What was not saved belongs to the agent that is left.
    releaseGuard();
    go(link("/"));
  };
  return (
    <ConfirmDialog title={`Sign in ${words(next)}?`} action={`Sign in ${words(next)}`} stay="Stay signed in" onConfirm={accept} onClose={declineOffer}>
      <p class="anywhere">You are signed in <strong>{words(now)}</strong>. A link was opened that signs you in <strong>{words(next)}</strong> instead.</p>
      <p>If you did not ask for it, stay: whoever sent the link may see what you set up there.</p>
    </ConfirmDialog>
  );
}

/** What a session is for. */
function words(of: Session): string {
  if (of.agent_id !== null) return `for ${of.agent_name || of.agent_id}`;
  return of.kind === "key" ? "with an API key" : "as the operator";
}
