import { keys } from "../../core/client.ts";
import { usePages } from "../../core/load.ts";
import { Badge, CopyText, ErrorState, Loading, Page, Table, Time } from "../../ui/index.ts";

export default function Settings() {
  const list = usePages((cursor, signal) => keys.list({ cursor }, signal), []);
  return (
    <Page title="Settings" lead="API keys.">
      {list.starting && <Loading />}
      {list.error !== undefined && <ErrorState error={list.error} onRetry={list.reload} />}
      {list.rows.length > 0 && (
        <Table
          label="API keys" rows={list.rows} id={(k) => k.id}
          columns={[
            { name: "Name", main: true, cell: (k) => <span class="strong">{k.name || k.id}</span> },
            { name: "Id", cell: (k) => <CopyText text={k.id} label="Key id" /> },
            { name: "Scopes", cell: (k) => <span class="row">{k.scopes.map((s) => <Badge key={s}>{s}</Badge>)}</span> },
            { name: "Created", cell: (k) => <Time at={k.created_at} /> },
          ]}
        />
      )}
    </Page>
  );
}
