import { useState } from "preact/hooks";
import { agents } from "../../core/client.ts";
import { useLoad } from "../../core/load.ts";
import type { Agent } from "../../core/types.ts";
import { Button, Checkbox, Field, IconButton, Load, TextInput } from "../../ui/index.ts";

const shownAtOnce = 20;

function useAgents(search: string) {
  return useLoad((signal) => agents.list({ limit: shownAtOnce, ...(search === "" ? {} : { search }) }, signal), [search]);
}

/** Chooses agents; the server searches, so that it works with many. */
export function AgentChoice({ chosen, onChange }: { readonly chosen: readonly string[]; readonly onChange: (ids: readonly string[]) => void }) {
  const [search, setSearch] = useState("");
  const found = useAgents(search);
  return (
    <div class="stack stack-s">
      {chosen.length > 0 && (
        <ul class="row" aria-label="Chosen agents">
          {chosen.map((id) => (
            <li class="chip" key={id}><code class="truncate">{id}</code><IconButton size="small" icon="close" label={`Remove ${id}`} onClick={() => onChange(chosen.filter((c) => c !== id))} /></li>
          ))}
        </ul>
      )}
      <Field label="Search agents" hideLabel>{(c) => <TextInput {...c} type="search" value={search} onValue={setSearch} placeholder="Search by name or id" />}</Field>
      <Load of={found} lines={3}>
        {(page) => page.data.length === 0 ? <p class="muted">No agent fits.</p> : (
          <div class="choices">
            {page.data.map((a) => (
              <Checkbox
                key={a.id} label={a.name} hint={<code>{a.id}</code>} checked={chosen.includes(a.id)}
                onChecked={(on) => onChange(on ? [...chosen, a.id] : chosen.filter((c) => c !== a.id))}
              />
            ))}
            {page.next_cursor !== null && <p class="small muted">There are more. Search for the one that you mean.</p>}
          </div>
        )}
      </Load>
    </div>
  );
}

/** Chooses one agent. */
export function OneAgent({ agent, onChange }: { readonly agent: Agent | null; readonly onChange: (agent: Agent | null) => void }) {
  const [search, setSearch] = useState("");
  const found = useAgents(search);
  if (agent !== null) {
    return (
      <div class="field">
        <span class="field-label">Agent</span>
        <div class="row"><span class="strong truncate">{agent.name}</span><code class="muted truncate">{agent.id}</code><Button size="small" onClick={() => onChange(null)}>Choose another</Button></div>
      </div>
    );
  }
  return (
    <div class="stack stack-s">
      <Field label="Agent">{(c) => <TextInput {...c} type="search" value={search} onValue={setSearch} placeholder="Search by name or id" />}</Field>
      <Load of={found} lines={3}>
        {(page) => page.data.length === 0 ? <p class="muted">{search === "" ? "There is no agent yet." : "No agent fits."}</p> : (
          <ul class="choices">
            {page.data.map((a) => (
              <li key={a.id}>
                <button type="button" class="menu-item" onClick={() => onChange(a)}><span class="truncate">{a.name}</span><code class="truncate muted push">{a.id}</code></button>
              </li>
            ))}
          </ul>
        )}
      </Load>
    </div>
  );
}
