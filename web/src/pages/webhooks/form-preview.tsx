import { useEffect, useMemo, useState } from "preact/hooks";
import { isAbort, messageOf } from "../../core/api.ts";
import { endpoints } from "../../core/client.ts";
import type { EventType, Preview, PreviewInput } from "../../core/types.ts";
import { Banner, Card, CodeBlock, Field, Loading, Select } from "../../ui/index.ts";
import { type Draft, type FieldErrors, liveErrors, previewInputOf } from "./form-model.ts";
import type { Setting } from "./form-parts.ts";

export interface PreviewState {
  readonly data: Preview | undefined;
  readonly error: unknown;
  /** What is shown is of an earlier draft. */
  readonly stale: boolean;
  /** The URL that was checked last. */
  readonly url: string;
  /** What saving would refuse, but for what is not typed yet. */
  readonly errors: FieldErrors;
}

const pause = 450;
const nothing = { data: undefined, error: undefined, of: "", url: "", errors: {} };

/** Asks the server about the draft whenever somebody stops typing. */
export function usePreview(setting: Setting, draft: Draft, base: Draft | null, event: string): PreviewState {
  const [state, setState] = useState<Omit<PreviewState, "stale"> & { readonly of: string }>(nothing);
  const endpoint = setting.saved?.endpoint;
  const input: PreviewInput = { endpoint: previewInputOf(base, draft, endpoint?.signed ?? false), ...(endpoint === undefined ? {} : { endpoint_id: endpoint.id }), ...(event === "" ? {} : { event }) };
  // The version counts: after a save the same patch shows something else.
  const key = JSON.stringify([input, setting.saved?.etag]);
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      endpoints.preview(setting.agent.id, input, abort.signal).then(
        (data) => setState({ data, error: undefined, of: key, url: draft.url, errors: liveErrors(data.errors, draft) }),
        (error: unknown) => {
          if (!isAbort(error)) setState((s) => ({ ...s, error, of: key }));
        },
      );
    }, state.of === "" ? 0 : pause);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  const { of, ...shown } = state;
  return { ...shown, stale: of !== key };
}

interface PreviewPaneProps {
  readonly state: PreviewState;
  readonly draft: Draft;
  readonly types: readonly EventType[];
  /** "" shows the first event of the draft. */
  readonly event: string;
  readonly onEvent: (event: string) => void;
}

/** The exact request that a receiver would get. */
export function PreviewPane({ state, draft, types, event, onEvent }: PreviewPaneProps) {
  const names = types.filter((t) => t.available).map((t) => t.name);
  const chosen = draft.all ? [] : draft.events.filter((name) => types.some((t) => t.name === name));
  const first = chosen[0] ?? "lead.submit";
  const options = [...new Set([first, ...chosen, ...names])].map((name) => ({ value: name, label: name }));
  return (
    <Card title="Preview" lead="What your receiver gets, made from an example.">
      <div class="stack">
        <Field label="Event to preview">{(control) => <Select {...control} value={event === "" ? first : event} options={options} onValue={onEvent} />}</Field>
        {state.data === undefined ? (state.error === undefined ? <Loading lines={6} label="Loading the preview" /> : <Banner tone="warn" title="There is no preview">{messageOf(state.error)}</Banner>) : <PreviewRequest preview={state.data} stale={state.stale} />}
        {state.data !== undefined && state.error !== undefined && <Banner tone="warn" title="The preview is out of date">{messageOf(state.error)}</Banner>}
      </div>
    </Card>
  );
}

function PreviewRequest({ preview, stale }: { readonly preview: Preview; readonly stale: boolean }) {
  const { request } = preview;
  const head = useMemo(() => (request === null ? "" : headText(request)), [request]);
  if (request === null) return <Banner tone="warn" title="There is no preview">The format of this webhook is no longer set up on this server.</Banner>;
  return (
    <div class="stack preview" aria-busy={stale}>
      <CodeBlock title="Headers" text={head} />
      <CodeBlock title="Body" json text={request.body} tall />
      <p class="small muted">
        {preview.example_secret === null
          ? "The request is not signed, because there is no secret."
          : <>The signature is made with an example secret, never with yours: <code class="anywhere">{preview.example_secret}</code></>}
      </p>
    </div>
  );
}

/** A request as it goes over the line, but for the order of its headers. */
function headText(request: NonNullable<Preview["request"]>): string {
  const url = request.url === null ? null : /^[a-z]+:\/\/([^/?#]+)([^#]*)/i.exec(request.url);
  const target = url === null || url === undefined ? "/…" : url[2] === "" ? "/" : (url[2] ?? "/");
  const host = url?.[1] ?? "…";
  return [`${request.method} ${target}`, `Host: ${host}`, ...Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)].join("\n");
}
