import { count } from "../../core/format.ts";
import { Badge, Icon } from "../../ui/index.ts";
import { fieldCount, type SchemaNode } from "./schema.ts";

/** The fields of a type's data, nested ones behind their parents. */
export function SchemaTree({ tree }: { readonly tree: SchemaNode }) {
  return (
    <div class="stack stack-s">
      {tree.description !== "" && <p class="muted">{tree.description}</p>}
      {tree.limits.length > 0 && <p class="muted">{sentence(tree.limits)}</p>}
      <Nodes nodes={tree.children} depth={0} />
      <Further open={tree.open} />
    </div>
  );
}

function Nodes({ nodes, depth }: { readonly nodes: readonly SchemaNode[]; readonly depth: number }) {
  return <ul class="schema">{nodes.map((n) => <Node node={n} depth={depth} key={n.name} />)}</ul>;
}

function Node({ node: n, depth }: { readonly node: SchemaNode; readonly depth: number }) {
  const head = (
    <span class="schema-head">
      {n.field ? <code class="strong anywhere">{n.name}</code> : <span class="muted">{n.name}</span>}
      <span class="schema-type">{n.type}</span>
      {n.required && <Badge tone="info" icon="info">Always there</Badge>}
    </span>
  );
  const about = (
    <>
      {n.description !== "" && <p>{n.description}</p>}
      {n.values.length > 0 && <p class="small muted">One of {n.values.map((v) => <code class="schema-value" key={v}>{v}</code>)}</p>}
      {n.examples.length > 0 && <p class="small muted">Such as {n.examples.map((v) => <code class="schema-value" key={v}>{v}</code>)}</p>}
      {n.limits.length > 0 && <p class="small muted">{sentence(n.limits)}</p>}
    </>
  );
  if (n.children.length === 0) return <li class="schema-node">{head}{about}</li>;
  return (
    <li class="schema-node">
      {head}
      {about}
      <details open={depth < 1}>
        <summary><Icon name="right" size="s" /> {count(fieldCount(n), "field")} inside</summary>
        <Nodes nodes={n.children} depth={depth + 1} />
        <Further open={n.open} />
      </details>
    </li>
  );
}

function Further({ open }: { readonly open: boolean | null }) {
  if (open === null) return null;
  return <p class="small muted">{open ? "Further fields may come with it: skip what you do not know." : "No other fields come with it."}</p>;
}

function sentence(parts: readonly string[]): string {
  const text = parts.join("; ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
