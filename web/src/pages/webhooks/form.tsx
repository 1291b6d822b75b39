import { useCallback, useState } from "preact/hooks";
import { agentLink, agentPath, useAgentId } from "../../core/agent.ts";
import { ApiError, messageOf } from "../../core/api.ts";
import { endpoints } from "../../core/client.ts";
import { useLoad } from "../../core/load.ts";
import { go, releaseGuard, useLeaveGuard } from "../../core/router.ts";
import type { PageProps } from "../../routes.ts";
import { Banner, Button, ButtonLink, Card, ConfirmDialog, Field, Load, Page, TextInput } from "../../ui/index.ts";

export default function WebhookForm({ params }: PageProps) {
  const agent = useAgentId();
  const id = params["id"];
  const present = useLoad(async (signal) => (id === undefined ? { url: "", etag: undefined } : endpoints.version(agent, id, signal).then((a) => ({ url: a.data.url, etag: a.etag ?? undefined }))), [agent, id]);
  return (
    <Page title={id === undefined ? "New webhook" : "Edit webhook"} crumbs={[{ label: "Webhooks", href: agentLink("webhooks") }]}>
      <Load of={present}>{(start) => <Form agent={agent} id={id} url={start.url} etag={start.etag} />}</Load>
    </Page>
  );
}

function Form({ agent, id, url: saved, etag }: { readonly agent: string; readonly id: string | undefined; readonly url: string; readonly etag: string | undefined }) {
  const [url, setUrl] = useState(saved);
  const [error, setError] = useState<unknown>(undefined);
  const [busy, setBusy] = useState(false);
  const [leave, setLeave] = useState<(() => void) | null>(null);
  useLeaveGuard(url !== saved, useCallback((go) => setLeave(() => go), []));
  const submit = async (): Promise<void> => {
    setBusy(true);
    try {
      const done = id === undefined ? await endpoints.create(agent, { url, events: ["*"] }) : (await endpoints.update(agent, id, { url }, etag)).data;
      releaseGuard();
      go(agentPath(`webhooks/${done.id}`));
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const field = error instanceof ApiError ? (error.field("url") ?? (/url|target/.test(error.code) ? error.detail : undefined)) : undefined;
  return (
    <form class="stack" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <Card foot={<><Button type="submit" kind="primary" busy={busy}>Save</Button><ButtonLink href={agentLink(id === undefined ? "webhooks" : `webhooks/${id}`)}>Cancel</ButtonLink></>}>
        <div class="stack">
          <Field label="URL" hint="Where the events are sent. It must be public, http or https." error={field}>
            {(control) => <TextInput {...control} type="url" value={url} onValue={setUrl} mono placeholder="https://example.com/hooks" required />}
          </Field>
          {error !== undefined && field === undefined && <Banner tone="bad">{messageOf(error)}</Banner>}
        </div>
      </Card>
      {leave !== null && (
        <ConfirmDialog title="Leave without saving?" action="Leave" danger onConfirm={leave} onClose={() => setLeave(null)}>What you changed on this page is lost.</ConfirmDialog>
      )}
    </form>
  );
}
