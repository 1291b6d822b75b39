import { useState } from "preact/hooks";
import { keys } from "../../core/client.ts";
import { count } from "../../core/format.ts";
import { usePages } from "../../core/load.ts";
import type { ApiKey } from "../../core/types-server.ts";
import { Badge, Banner, Button, ConfirmDialog, CopyText, Empty, ErrorState, Loading, Menu, More, Table, Time, toast } from "../../ui/index.ts";
import { NewKey } from "./new-key.tsx";
import { scopeWords } from "./scopes.ts";

export function KeysTab() {
  const list = usePages((cursor, signal) => keys.list({ cursor }, signal), []);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const add = <Button kind="primary" icon="add" onClick={() => setCreating(true)}>New API key</Button>;
  return (
    <section class="stack" aria-label="API keys">
      <div class="row">
        <p class="muted grow">Programs sign in with these. Give each program a key of its own that may do no more than it needs.</p>
        {add}
      </div>
      {list.starting && <Loading />}
      {list.error !== undefined && <ErrorState error={list.error} onRetry={list.reload} />}
      {!list.starting && list.error === undefined && list.rows.length === 0 && <Empty icon="key" title="No API key">Without one, no program can publish events. Make one that may publish events.</Empty>}
      {list.rows.length > 0 && (
        <Table
          label="API keys" rows={list.rows} id={(k) => k.id}
          columns={[
            { name: "Name", main: true, cell: (k) => <span class="row"><span class="strong truncate">{keyName(k)}</span>{k.root && <Badge tone="info" icon="key">First key</Badge>}</span> },
            { name: "May", cell: (k) => scopeWords(k.scopes) },
            { name: "Agents", cell: (k) => <Agents ids={k.agent_ids} /> },
            { name: "Id", cell: (k) => <span class="cell-id"><CopyText text={k.id} label="Key id" /></span> },
            { name: "Created", cell: (k) => <Time at={k.created_at} /> },
            { name: "Actions", actions: true, cell: (k) => <Menu label={`Actions for ${keyName(k)}`} items={[{ label: "Revoke…", icon: "delete", danger: true, onSelect: () => setRevoking(k) }]} /> },
          ]}
          foot={<More shown={list.rows.length} noun="key" hasMore={list.hasMore} loading={list.loading} onMore={list.more} />}
        />
      )}
      {creating && <NewKey onClose={() => setCreating(false)} onCreated={list.reload} />}
      {revoking !== null && <Revoke apiKey={revoking} onClose={() => setRevoking(null)} onDone={() => list.set((rows) => rows.filter((k) => k.id !== revoking.id))} />}
    </section>
  );
}

const keyName = (k: ApiKey): string => (k.name === "" ? k.id : k.name);

function Agents({ ids }: { readonly ids: readonly string[] | null }) {
  if (ids === null) return <span>All</span>;
  const list = <ul>{ids.map((id) => <li key={id}><span class="cell-id"><code class="truncate" title={id}>{id}</code></span></li>)}</ul>;
  if (ids.length <= 2) return list;
  return <details class="fold"><summary>{count(ids.length, "agent")}</summary>{list}</details>;
}

function Revoke({ apiKey, onDone, onClose }: { readonly apiKey: ApiKey; readonly onDone: () => void; readonly onClose: () => void }) {
  const revoke = async (): Promise<void> => {
    await keys.revoke(apiKey.id);
    toast(`The key ${keyName(apiKey)} was revoked`);
    onDone();
  };
  return (
    <ConfirmDialog title={`Revoke ${keyName(apiKey)}?`} action="Revoke key" danger onConfirm={revoke} onClose={onClose}>
      <p>Every program that uses this one key is refused within seconds. This cannot be undone; it would need a new key.</p>
      {apiKey.root && (
        <Banner tone="warn" title="This is the first key">
          If it is set with WAYBELL_API_KEY, it works again after the next start. If no other key is left, the next start makes a new one and prints it.
        </Banner>
      )}
    </ConfirmDialog>
  );
}
