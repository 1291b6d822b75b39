import { useState } from "preact/hooks";
import { agentLink } from "../../core/agent.ts";
import { collect } from "../../core/api.ts";
import { endpoints, inboxes } from "../../core/client.ts";
import { count } from "../../core/format.ts";
import { type Resource, useLoad } from "../../core/load.ts";
import { warnings } from "../../core/state.ts";
import type { Inbox, Preview } from "../../core/types.ts";
import { Banner, Button, Card, Field, Icon, Menu, Switch, TextInput, toast, toastError } from "../../ui/index.ts";
import { waitingOf } from "./list-model.ts";
import type { PartProps } from "./form-parts.ts";

interface ReceiverProps extends PartProps {
  readonly preview: Preview | undefined;
  readonly checking: boolean;
}

/** Whether it is on, where it leads, and what it is for. */
export function ReceiverPart({ draft, set, errors, setting, preview, checking }: ReceiverProps) {
  const boxes = useLoad((signal) => collect((cursor) => inboxes.list(setting.agent.id, { cursor, limit: 250 }, signal)), [setting.agent.id]);
  const inbox = boxes.data?.find((i) => i.url === draft.url.trim());
  return (
    <Card title="Receiver">
      <div class="stack">
        <Switch
          label="Enabled" checked={draft.enabled} onChecked={(enabled) => set({ enabled })}
          hint={draft.enabled ? "Events are sent as they happen." : "It gets no events, and those that happen now are not sent later."}
        />
        {!draft.enabled && setting.saved?.endpoint.enabled === true && <Disabling setting={setting} />}
        <div class="url-line">
          <Field label="URL" hint={<UrlCheck url={draft.url} inbox={inbox} preview={preview} checking={checking} />} error={errors["url"]}>
            {(control) => <TextInput {...control} type="url" name="url" value={draft.url} onValue={(url) => set({ url })} mono placeholder="https://example.com/webhooks" />}
          </Field>
          <InboxButton agent={setting.agent.id} boxes={boxes} onUse={(url) => set({ url })} />
        </div>
        <Field label="Description" note="optional" hint="For you and your colleagues. It is not sent." error={errors["description"]}>
          {(control) => <TextInput {...control} value={draft.description} onValue={(description) => set({ description })} placeholder="Leads into our CRM" />}
        </Field>
      </div>
    </Card>
  );
}

/** Says what disabling it cancels. */
function Disabling({ setting }: { readonly setting: PartProps["setting"] }) {
  const id = setting.saved?.endpoint.id ?? "";
  const ledger = useLoad((signal) => endpoints.ledger(setting.agent.id, id, signal), [id]);
  if (ledger.data === undefined) return null;
  const n = waitingOf(ledger.data);
  if (n === 0) return <p class="small muted">No delivery is waiting, so nothing is canceled.</p>;
  return <Banner tone="warn">When you save, {count(n, "waiting delivery is", "waiting deliveries are")} canceled. To keep them, pause the webhook instead.</Banner>;
}

interface UrlCheckProps {
  readonly url: string;
  readonly inbox: Inbox | undefined;
  readonly preview: Preview | undefined;
  readonly checking: boolean;
}

/** What is known of the URL while it is typed. A refused one is an error of the field. */
function UrlCheck({ url, inbox, preview, checking }: UrlCheckProps) {
  if (url.trim() === "") return <>It must be reachable from the internet. With https:// nobody on the way can read what is sent.</>;
  const wrong = preview?.errors.find((e) => e.location.endsWith("endpoint.url"));
  if (wrong?.code === "target_not_allowed" && !checking) {
    return <>Requests go to the public internet only: never to this computer, a private network or an internal name. For a program on your own computer, use a tunnel; to look around first, use an inbox.</>;
  }
  if (wrong !== undefined && !checking) return <>A complete URL looks like https://example.com/webhooks.</>;
  if (checking || preview === undefined) return <span class="url-state"><Icon name="busy" size="s" spin /> Checking…</span>;
  if (inbox !== undefined) {
    return <span class="url-state tone-good"><Icon name="inbox" size="s" /> This is an inbox on this server. <a href={agentLink(`inbox/${inbox.id}`)}>Open the inbox</a></span>;
  }
  if (preview.warnings.includes("not_https")) return <span class="url-state tone-warn"><Icon name="warning" size="s" /> {warnings.not_https.text}</span>;
  return <span class="url-state tone-good"><Icon name="ok" size="s" /> This URL may be used. A test tells whether it is reached.</span>;
}

interface InboxButtonProps {
  readonly agent: string;
  readonly boxes: Pick<Resource<readonly Inbox[]>, "data" | "reload">;
  readonly onUse: (url: string) => void;
}

/** Fills the URL with that of an inbox: one that is there, or a new one. */
function InboxButton({ agent, boxes, onUse }: InboxButtonProps) {
  const [busy, setBusy] = useState(false);
  const use = (inbox: Inbox): void => {
    onUse(inbox.url);
    toast("The inbox's URL is filled in. It shows everything that this webhook sends.");
  };
  const create = (): void => {
    setBusy(true);
    inboxes.create(agent, {}).then(
      (inbox) => {
        boxes.reload();
        use(inbox);
      },
      toastError,
    ).finally(() => setBusy(false));
  };
  const present = boxes.data ?? [];
  if (present.length === 0 || busy) return <Button icon="inbox" busy={busy} onClick={create}>Use an inbox</Button>;
  const items = [
    ...present.slice(0, 10).map((i) => ({ label: `${i.name === "" ? `Inbox …${i.url.slice(-6)}` : i.name} (${count(i.requests, "request")})`, icon: "inbox" as const, onSelect: () => use(i) })),
    "rule" as const,
    { label: "New inbox", icon: "add" as const, onSelect: create },
  ];
  return <Menu label="Use an inbox" buttonClass="btn" items={items}><Icon name="inbox" /> Use an inbox <Icon name="down" size="s" /></Menu>;
}
