import { endpoints } from "../../core/client.ts";
import { profileTitle } from "../../core/format.ts";
import { useLoad } from "../../core/load.ts";
import { param, setQuery } from "../../core/router.ts";
import type { EventType, HeaderMap, Preview, Profiles } from "../../core/types.ts";
import { Banner, Card, CodeBlock, CopyText, Load, Segmented, Select } from "../../ui/index.ts";

/** The very request that a webhook of each profile gets for the type's example. */
export function Example({ agent, type, profiles }: { readonly agent: string; readonly type: EventType; readonly profiles: Profiles }) {
  const names = profiles.profiles.map((p) => p.name);
  const profile = names.find((n) => n === param("profile")) ?? names[0] ?? "standard";
  const preview = useLoad(
    (signal) => endpoints.preview(agent, { endpoint: { profile, generate_secret: true }, event: type.name }, signal),
    [agent, type.name, profile],
  );
  const options = names.map((value) => ({ value, label: profileTitle(value) }));
  const choose = (value: string): void => setQuery({ profile: value });
  return (
    <Card
      title="Example" lead="The request that a webhook with this profile gets, signed with a public example secret."
      actions={names.length <= 4 ? <Segmented label="Profile" value={profile} onValue={choose} options={options} /> : <Select aria-label="Profile" value={profile} onValue={choose} options={options} />}
    >
      <Load of={preview}>{(p) => <Request preview={p} />}</Load>
    </Card>
  );
}

function Request({ preview: { request, example_secret: secret } }: { readonly preview: Preview }) {
  if (request === null) return <Banner tone="warn">There is no example in this profile.</Banner>;
  return (
    <div class="stack">
      <CodeBlock title="Headers" text={`${request.method} /your/path HTTP/1.1\n${headerLines(request.headers)}`} />
      <CodeBlock title="Body" json tall text={request.body} />
      {secret !== null && (
        <p class="small muted">To try your own check of the signature, use the example secret <CopyText text={secret} label="Example secret" /></p>
      )}
    </div>
  );
}

const headerLines = (headers: HeaderMap): string => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");
