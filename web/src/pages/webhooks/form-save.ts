/** Saves a draft: the settings first, then a rotation of the secret where one was asked for. */
import { endpoints } from "../../core/client.ts";
import type { Endpoint } from "../../core/types.ts";
import { type Draft, inputOf, rotationOf } from "./form-model.ts";
import type { Setting } from "./form-parts.ts";

export interface Saved {
  readonly endpoint: Endpoint;
  readonly etag: string | undefined;
  /** A generated secret, this once. */
  readonly secret: string | null;
}

/** The settings are saved, but the secret could not be changed. */
export class SecretNotSaved extends Error {
  constructor(
    readonly endpoint: Endpoint,
    readonly etag: string | undefined,
    override readonly cause: unknown,
  ) {
    super("the secret was not changed");
  }
}

/** Throws an ApiError where nothing was saved, and SecretNotSaved where only the secret was not. */
export async function saveDraft(setting: Setting, base: Draft, draft: Draft, overwrite: boolean): Promise<Saved> {
  const agent = setting.agent.id;
  if (setting.saved === null) {
    const made = await endpoints.create(agent, inputOf(null, draft, false));
    return { endpoint: made.data, etag: made.etag ?? undefined, secret: made.data.secret ?? null };
  }
  const { endpoint: before, etag } = setting.saved;
  const patch = inputOf(base, draft, before.signed);
  let saved: Saved = { endpoint: before, etag, secret: null };
  if (Object.keys(patch).length > 0) {
    const answer = await endpoints.update(agent, before.id, patch, overwrite ? undefined : etag);
    saved = { endpoint: answer.data, etag: answer.etag ?? undefined, secret: answer.data.secret ?? null };
  }
  const rotation = rotationOf(draft, before.signed);
  if (rotation === null) return saved;
  const info = await endpoints.rotateSecret(agent, before.id, rotation).catch((error: unknown) => {
    throw new SecretNotSaved(saved.endpoint, saved.etag, error);
  });
  // It is changed, also where the version after it cannot be read: then the next save does without.
  const now = await endpoints.version(agent, before.id).catch(() => null);
  return { endpoint: now?.data ?? saved.endpoint, etag: now?.etag ?? undefined, secret: rotation.secret === undefined ? info.secret : null };
}
