import { useState } from "preact/hooks";
import { agentLink } from "../../../core/agent.ts";
import { now } from "../../../core/clock.ts";
import { can } from "../../../core/session.ts";
import { Banner, Button, ButtonLink } from "../../../ui/index.ts";
import { ResumeDialog } from "../actions/resume.tsx";
import { changed, EnableButton } from "./actions.tsx";
import { adviceFor, type Remedy } from "./advice.ts";
import type { Detail } from "./subject.ts";

/** What is wrong with the webhook, in words, each with what to do about it. */
export function StateBanners({ detail }: { readonly detail: Detail }) {
  return (
    <>
      {adviceFor(detail, now.value).map((a) => (
        <Banner key={a.id} tone={a.tone} title={a.title} action={<span class="row">{a.remedies.map((r) => <RemedyButton key={r} remedy={r} detail={detail} />)}</span>}>
          {a.text.map((p) => <p key={p.text}>{p.label !== undefined && <strong>{p.label}: </strong>}{p.text}</p>)}
        </Banner>
      ))}
    </>
  );
}

/** The deliveries that ended as the last one did: what is being retried, and what was given up. */
function likeTheLast({ health }: Detail): { readonly status: string | number } {
  return { status: health?.last_status_code ?? "none" };
}

function RemedyButton({ remedy, detail }: { readonly remedy: Remedy; readonly detail: Detail }) {
  const [resuming, setResuming] = useState(false);
  const { id } = detail.endpoint;
  const manage = can("endpoints:write");
  switch (remedy) {
    case "failures":
      return <ButtonLink size="small" href={agentLink(`webhooks/${id}/deliveries`, likeTheLast(detail))}>See what failed</ButtonLink>;
    case "secret":
      return can("secrets:write") ? <ButtonLink size="small" icon="key" href={agentLink(`webhooks/${id}/security`)}>Set a secret</ButtonLink> : null;
    case "events":
      return manage ? <ButtonLink size="small" href={agentLink(`webhooks/${id}/edit`)}>Choose events</ButtonLink> : null;
    case "edit":
      return manage ? <ButtonLink size="small" href={agentLink(`webhooks/${id}/edit`)}>Edit URL</ButtonLink> : null;
    case "enable":
      return manage ? <EnableButton detail={detail} small /> : null;
    case "resume":
      if (!manage) return null;
      return (
        <>
          <Button size="small" icon="play" onClick={() => setResuming(true)}>Resume…</Button>
          {resuming && <ResumeDialog endpoint={detail.endpoint} onDone={changed(detail)} onClose={() => setResuming(false)} />}
        </>
      );
  }
}
