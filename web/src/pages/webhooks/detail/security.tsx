import { useCallback, useState } from "preact/hooks";
import { ApiError } from "../../../core/api.ts";
import { endpoints, server } from "../../../core/client.ts";
import { useLoad } from "../../../core/load.ts";
import type { Preview } from "../../../core/types.ts";
import { Load } from "../../../ui/index.ts";
import { Checker, type Sample } from "./checker.tsx";
import { SecretCard } from "./secret.tsx";
import type { Detail } from "./subject.ts";
import { isEd25519, signingsOf } from "./verification.ts";
import { Verify } from "./verify.tsx";

/** The secret, the code that verifies our signature, and a checker for when it does not fit. */
export function Security({ detail }: { readonly detail: Detail }) {
  const { endpoint: e } = detail;
  const [sample, setSample] = useState<Sample | null>(null);
  const basis = useLoad(async (signal) => {
    const [profiles, preview] = await Promise.all([server.profiles(signal), signedPreview(e.agent_id, e.id, e.signed, signal)]);
    return { formats: profiles.formats, preview };
  }, [e.agent_id, e.id, e.updated_at]);
  const ed25519 = basis.data !== undefined && isEd25519(basis.data.preview);
  const tryIt = useCallback((next: Sample) => setSample({ ...next }), []);
  return (
    <div class="stack stack-l">
      <SecretCard detail={detail} ed25519={ed25519 && e.signed} />
      <Load of={basis}>
        {({ formats, preview }) => (
          <>
            <Verify endpoint={e} signings={signingsOf(e, formats)} preview={preview} ed25519={ed25519} onTry={tryIt} />
            <Checker endpoint={e} formats={formats} sample={sample} />
          </>
        )}
      </Load>
    </div>
  );
}

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
