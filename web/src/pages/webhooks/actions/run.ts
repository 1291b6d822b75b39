/** What is done to a webhook without a question: nothing is lost by it, and it is undone as quickly. */
import { endpoints } from "../../../core/client.ts";
import { urlParts } from "../../../core/format.ts";
import type { Endpoint } from "../../../core/types.ts";
import { toast, toastError } from "../../../ui/index.ts";

type Done = (endpoint: Endpoint) => void;

export async function pause(e: Endpoint, done: Done): Promise<void> {
  await attempt(endpoints.pause(e.agent_id, e.id), done, `${urlParts(e.url).host} is paused. What happens from now on is held until you resume.`);
}

export async function enable(e: Endpoint, done: Done): Promise<void> {
  await attempt(endpoints.update(e.agent_id, e.id, { enabled: true }).then(({ data }) => data), done, `${urlParts(e.url).host} is enabled. Events are sent as they happen.`);
}

async function attempt(call: Promise<Endpoint>, done: Done, words: string): Promise<void> {
  try {
    done(await call);
    toast(words);
  } catch (error) {
    toastError(error);
  }
}
