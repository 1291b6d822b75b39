import { useState } from "preact/hooks";
import { agentId, agentLink } from "../core/agent.ts";
import { agents } from "../core/client.ts";
import { useLoad } from "../core/load.ts";
import { go } from "../core/router.ts";
import { Dialog, Empty, Field, Icon, Load, TextInput } from "../ui/index.ts";

/** Shows the agent of the page, and goes to another one. */
export function AgentSwitcher() {
  const id = agentId.value;
  const [open, setOpen] = useState(false);
  const agent = useLoad(async (signal) => (id === null ? null : agents.get(id, signal)), [id]);
  return (
    <>
      <button type="button" class="btn" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <Icon name="agents" />
        <span class="truncate grow">{id === null ? "Choose an agent" : (agent.data?.name ?? id)}</span>
        <Icon name="down" size="s" />
      </button>
      {open && <AgentDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function AgentDialog({ onClose }: { readonly onClose: () => void }) {
  const [search, setSearch] = useState("");
  const found = useLoad((signal) => agents.list({ limit: 50, ...(search === "" ? {} : { search }) }, signal), [search]);
  return (
    <Dialog title="Choose an agent" onClose={onClose}>
      <Field label="Search agents" hideLabel>
        {(control) => <TextInput {...control} type="search" value={search} onValue={setSearch} placeholder="Name or id" />}
      </Field>
      <Load of={found} lines={4}>
        {(page) => page.data.length === 0 ? (
          <Empty icon="agents" title={search === "" ? "No agents yet" : "No agent fits"}>{search === "" ? "The platform creates them with the API." : "Names and ids are searched."}</Empty>
        ) : (
          <ul class="nav">
            {page.data.map((a) => (
              <li key={a.id}>
                <button type="button" class="menu-item" onClick={() => { onClose(); go(agentLink("webhooks", {}, a.id)); }}>
                  <span class="truncate">{a.name}</span>
                  <code class="truncate muted push">{a.id}</code>
                </button>
              </li>
            ))}
          </ul>
        )}
      </Load>
    </Dialog>
  );
}
