import { useState } from "preact/hooks";
import { ApiError } from "../../../core/api.ts";
import { endpoints, server } from "../../../core/client.ts";
import { useLoad } from "../../../core/load.ts";
import type { Format, Preview } from "../../../core/types.ts";
import { Load, type Loadable } from "../../../ui/index.ts";
import { Checker, type Sample } from "./checker.tsx";
import { SecretCard } from "./secret.tsx";
import type { Detail } from "./subject.ts";
import { isEd25519, signingsOf } from "./verification.ts";
import { Verify } from "./verify.tsx";

/** The secret, the code that verifies our signature, and a checker for when it does not fit. */
export function Security({ detail }: { readonly detail: Detail }) {
  const { endpoint: e } = detail;
  const [sample, setSample] = useState<Sample | null>(null);
  const profiles = useLoad((signal) => server.profiles(signal), []);
  const preview = useLoad((signal) => signedPreview(e.agent_id, e.id, e.signed, signal), [e.agent_id, e.id, e.updated_at]);
  const basis: Loadable<{ readonly formats: readonly Format[]; readonly preview: Preview }> = {
    data: profiles.data === undefined || preview.data === undefined ? undefined : { formats: profiles.data.formats, preview: preview.data },
    error: profiles.error ?? preview.error,
    reload: () => {
      profiles.reload();
      preview.reload();
    },
  };
  const ed25519 = preview.data !== undefined && isEd25519(preview.data);
  return (
    <div class="stack stack-l">
      <SecretCard detail={detail} ed25519={ed25519 && e.signed} />
      <Load of={basis} lines={12}>
        {({ formats, preview: shown }) => <Verify endpoint={e} signings={signingsOf(e, formats)} preview={shown} ed25519={ed25519} onTry={setSample} />}
      </Load>
      <Checker endpoint={e} formats={profiles.data?.formats ?? none} sample={sample} />
    </div>
  );
}

const none: readonly Format[] = [];

/** A request as the webhook's receiver gets it; for one without a secret, as it would be with one. */
async function signedPreview(agent: string, id: string, signed: boolean, signal: AbortSignal): Promise<Preview> {
  const plain = () => endpoints.preview(agent, { endpoint: {}, endpoint_id: id }, signal);
  if (signed) return plain();
  try {
    return await endpoints.preview(agent, { endpoint: { generate_secret: true }, endpoint_id: id }, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return plain(); // this session may not set secrets, not even in a draft
    throw error;
  }
}
