import { useId, useState } from "preact/hooks";
import { localTime } from "../../core/format.ts";
import { param, setQuery } from "../../core/router.ts";
import { deliveryStateNames, deliveryStates } from "../../core/state.ts";
import { Button, Dialog, Field, Icon, type Option, SearchFilter, Select, SelectFilter, TextInput } from "../../ui/index.ts";
import { filterNames, isFiltered, type LogFilter, type LogPeriod } from "./filter.ts";
import { webhookName, type Webhooks } from "./webhooks.ts";

const periodWords: Readonly<Record<LogPeriod, string>> = { "15m": "Last 15 minutes", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days" };
const classWords = { "2xx": "2xx: accepted", "3xx": "3xx: redirected", "4xx": "4xx: refused", "5xx": "5xx: receiver's error", none: "No answer" } as const;

export interface LogFiltersProps {
  readonly filter: LogFilter;
  readonly webhooks: Webhooks;
  readonly events: readonly string[];
  /** The page is about one webhook: there is nothing to choose. */
  readonly oneWebhook: boolean;
}

/** The filters of the log, and what is chosen as chips that remove themselves. */
export function LogFilters({ filter, webhooks, events, oneWebhook }: LogFiltersProps) {
  const [asks, setAsks] = useState<"status" | "time" | null>(null);
  const eventOptions = events.includes(filter.event ?? "") || filter.event === undefined ? events : [...events, filter.event];
  return (
    <div class="stack stack-s">
      <div class="filters" role="search">
        <SearchFilter name="id" label="Delivery or event id" />
        <SelectFilter name="state" label="State" options={[{ value: "", label: "Any state" }, ...deliveryStateNames.map((value) => ({ value, label: deliveryStates[value].word }))]} />
        <SelectFilter name="event" label="Event" options={[{ value: "", label: "Any event" }, ...eventOptions.map((value) => ({ value, label: value }))]} />
        {!oneWebhook && <SelectFilter name="endpoint_id" label="Webhook" options={webhookOptions(webhooks, filter.endpointId)} />}
        <StatusSelect filter={filter} onAsk={() => setAsks("status")} />
        <TimeSelect filter={filter} onAsk={() => setAsks("time")} />
      </div>
      <Chips filter={filter} webhooks={webhooks} oneWebhook={oneWebhook} />
      {asks === "status" && <StatusDialog onClose={() => setAsks(null)} />}
      {asks === "time" && <TimeDialog filter={filter} onClose={() => setAsks(null)} />}
    </div>
  );
}

function webhookOptions(webhooks: Webhooks, chosen: string | undefined): readonly Option<string>[] {
  const options = webhooks.all.map((e) => ({ value: e.id, label: shorten(webhookName(e)) }));
  const missing = chosen !== undefined && !webhooks.byId.has(chosen) ? [{ value: chosen, label: `Deleted webhook ${chosen}` }] : [];
  return [{ value: "", label: "Any webhook" }, ...options, ...missing];
}

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 34)}…${text.slice(-24)}` : text);

const setStatus = (status: string): void => setQuery({ status, status_code: null, status_class: null });

function StatusSelect({ filter, onAsk }: { readonly filter: LogFilter; readonly onAsk: () => void }) {
  const code = filter.statusCode === undefined ? [] : [{ value: String(filter.statusCode), label: `HTTP ${filter.statusCode}` }];
  const classes = Object.entries(classWords).map(([value, label]) => ({ value, label }));
  return (
    <Select
      aria-label="Answer" value={String(filter.statusClass ?? filter.statusCode ?? "")}
      options={[{ value: "", label: "Any answer" }, ...classes, ...code, { value: "other", label: "A certain status…" }]}
      onValue={(value) => (value === "other" ? onAsk() : setStatus(value))}
    />
  );
}

function StatusDialog({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState(/^\d+$/.test(param("status")) ? param("status") : "");
  const [tried, setTried] = useState(false);
  const valid = /^[1-5]\d\d$/.test(text.trim());
  const form = useId();
  return (
    <Dialog title="Filter by status" onClose={onClose} foot={<><Button onClick={onClose}>Cancel</Button><Button kind="primary" type="submit" form={form}>Show</Button></>}>
      <form
        id={form}
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (!valid) return;
          setStatus(text.trim());
          onClose();
        }}
      >
        <Field label="HTTP status" hint="Of the receiver's last answer, such as 404." error={tried && !valid ? "Type a number from 100 to 599." : undefined}>
          {(control) => <TextInput {...control} value={text} onValue={setText} inputMode="numeric" />}
        </Field>
      </form>
    </Dialog>
  );
}

function TimeSelect({ filter, onAsk }: { readonly filter: LogFilter; readonly onAsk: () => void }) {
  const custom = filter.since !== undefined || filter.until !== undefined;
  const presets = Object.entries(periodWords).map(([value, label]) => ({ value, label }));
  return (
    <Select
      aria-label="Time" value={custom ? "set" : (filter.period ?? "")}
      options={[{ value: "", label: "Any time" }, ...presets, ...(custom ? [{ value: "set", label: "Chosen time" }] : []), { value: "other", label: "From … to …" }]}
      onValue={(value) => {
        if (value === "other") onAsk();
        else if (value !== "set") setQuery({ period: value, since: null, until: null });
      }}
    />
  );
}

function TimeDialog({ filter, onClose }: { readonly filter: LogFilter; readonly onClose: () => void }) {
  const [since, setSince] = useState(toField(filter.since));
  const [until, setUntil] = useState(toField(filter.until));
  const wrong = since !== "" && until !== "" && since >= until;
  const form = useId();
  return (
    <Dialog title="Filter by time" onClose={onClose} foot={<><Button onClick={onClose}>Cancel</Button><Button kind="primary" type="submit" form={form} disabled={wrong}>Show</Button></>}>
      <form
        id={form} class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (wrong) return;
          setQuery({ period: null, since: fromField(since), until: fromField(until) });
          onClose();
        }}
      >
        <p class="muted">When the event was accepted, in your own time zone. Leave one empty for no limit.</p>
        <Field label="From">{(control) => <TextInput {...control} type="datetime-local" step="1" value={since} onValue={setSince} />}</Field>
        <Field label="To" error={wrong ? "This must be later than the beginning." : undefined}>{(control) => <TextInput {...control} type="datetime-local" step="1" value={until} onValue={setUntil} />}</Field>
      </form>
    </Dialog>
  );
}

/** Local time for the field, and back. */
function toField(at: string | undefined): string {
  if (at === undefined) return "";
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function fromField(text: string): string | null {
  const date = new Date(text);
  return text === "" || Number.isNaN(date.getTime()) ? null : date.toISOString();
}

interface Chip {
  readonly text: string;
  readonly names: readonly (typeof filterNames)[number][];
}

function Chips({ filter, webhooks, oneWebhook }: { readonly filter: LogFilter; readonly webhooks: Webhooks; readonly oneWebhook: boolean }) {
  const chips = chipsOf(filter, webhooks).filter((chip) => !oneWebhook || chip.names[0] !== "endpoint_id");
  if (chips.length === 0) return null;
  return (
    <ul class="chips" aria-label="Filters in use">
      {chips.map((chip) => (
        <li key={chip.text}>
          <button type="button" class="chip" aria-label={`Remove the filter ${chip.text}`} onClick={() => setQuery(Object.fromEntries(chip.names.map((name) => [name, null])))}>
            <span class="truncate">{chip.text}</span>
            <Icon name="close" size="s" />
          </button>
        </li>
      ))}
      <li><ClearFilters /></li>
    </ul>
  );
}

export function ClearFilters({ kind = "quiet" }: { readonly kind?: "normal" | "quiet" }) {
  return <Button size={kind === "quiet" ? "small" : "normal"} kind={kind} onClick={() => setQuery(Object.fromEntries(filterNames.map((name) => [name, null])))}>Clear filters</Button>;
}

function chipsOf(filter: LogFilter, webhooks: Webhooks): readonly Chip[] {
  if (!isFiltered(filter)) return [];
  const chips: Chip[] = [];
  const add = (text: string | undefined, ...names: Chip["names"]): void => {
    if (text !== undefined) chips.push({ text, names });
  };
  const webhook = webhooks.byId.get(filter.endpointId ?? "");
  add(filter.deliveryId && `Delivery ${filter.deliveryId}`, "id");
  add(filter.eventId && `Event ${filter.eventId}`, "id", "event_id");
  add(filter.state && deliveryStates[filter.state].word, "state");
  add(filter.event, "event");
  add(filter.endpointId && (webhook === undefined ? filter.endpointId : webhookName(webhook)), "endpoint_id");
  add(filter.statusClass && classWords[filter.statusClass], "status", "status_class", "status_code");
  add(filter.statusCode === undefined ? undefined : `HTTP ${filter.statusCode}`, "status", "status_class", "status_code");
  add(filter.period && periodWords[filter.period], "period");
  add(filter.since && `From ${localTime(filter.since)}`, "since");
  add(filter.until && `To ${localTime(filter.until)}`, "until");
  return chips;
}
