import { isAbort } from "../../core/api.ts";
import { endpoints } from "../../core/client.ts";
import { urlParts } from "../../core/format.ts";
import type { DeliveryDetail, Endpoint } from "../../core/types.ts";
import { ErrorState, Icon } from "../../ui/index.ts";
import { TestResult } from "./test-result.tsx";

export type TestState =
  | { readonly kind: "running" }
  | { readonly kind: "done"; readonly delivery: DeliveryDetail }
  | { readonly kind: "failed"; readonly error: unknown };

/** Sends a test and waits for its end. */
export function runTest(endpoint: Endpoint, event: string, show: (state: TestState) => void): void {
  show({ kind: "running" });
  endpoints.test(endpoint.agent_id, endpoint.id, event === "" ? {} : { event }).then(
    (delivery) => show({ kind: "done", delivery }),
    (error: unknown) => {
      if (!isAbort(error)) show({ kind: "failed", error });
    },
  );
}

/** The test that went with a save. */
export function SavedTest({ endpoint, state }: { readonly endpoint: Endpoint; readonly state: TestState }) {
  switch (state.kind) {
    case "running":
      return <div class="row" role="status"><Icon name="busy" spin /> Sending a test to {urlParts(endpoint.url).host} and waiting for its answer…</div>;
    case "failed":
      return <ErrorState title="The test could not be sent" error={state.error} />;
    case "done":
      return <TestResult endpoint={endpoint} delivery={state.delivery} />;
  }
}
