import { count, number } from "../../core/format.ts";
import { setQuery } from "../../core/router.ts";
import { can } from "../../core/session.ts";
import { streamState } from "../../core/stream.ts";
import { Button, Checkbox, IconButton, Switch } from "../../ui/index.ts";
import type { LogView } from "./log.ts";

export interface ToolbarProps {
  readonly view: LogView;
  readonly live: boolean;
  readonly chosen: number;
  /** All that the filters find are chosen, loaded or not. */
  readonly all: boolean;
  readonly onAll: () => void;
  readonly onNone: () => void;
  readonly onResend: () => void;
  readonly onResendAll: () => void;
  readonly onExport: () => void;
  readonly onReload: () => void;
}

/** Above the rows: how many there are, or what is done with those that are selected. */
export function Toolbar({ view, live, chosen, all, onAll, onNone, onResend, onResendAll, onExport, onReload }: ToolbarProps) {
  if (chosen > 0) {
    return (
      <div class="log-bar" role="group" aria-label="Selected deliveries">
        <span class="strong" role="status">{all ? "All that fit the filters are selected" : `${number(chosen)} selected`}</span>
        <Button size="small" icon="resend" onClick={onResend}>Re-send…</Button>
        {!all && view.hasMore && chosen === view.rows.length && <Button size="small" kind="quiet" onClick={onAll}>Select all that fit the filters</Button>}
        <Button size="small" kind="quiet" icon="close" onClick={onNone}>Clear selection</Button>
      </div>
    );
  }
  return (
    <div class="log-bar">
      <span class="muted" role="status">{view.starting || view.error !== undefined ? "" : `${count(view.rows.length, "delivery", "deliveries")}${view.hasMore ? " loaded; more come as you scroll" : ""}`}</span>
      <div class="row push">
        {!can("deliveries:write") && <span class="muted small">Your link lets you look, but not re-send.</span>}
        {can("deliveries:write") && view.rows.length > 0 && <Button size="small" kind="quiet" icon="resend" onClick={onResendAll}>Re-send all…</Button>}
        <Switch label={live ? liveWords[streamState.value ?? "connecting"] : "Live"} checked={live} onChecked={(on) => setQuery({ live: on ? null : "off" })} />
        {!live && <IconButton icon="retry" label="Load again" size="small" onClick={onReload} />}
        <Button size="small" icon="download" onClick={onExport}>Export</Button>
      </div>
    </div>
  );
}

const liveWords = { connecting: "Live", connected: "Live", reconnecting: "Live (reconnecting)", paused: "Live (resting)", refused: "Live (not available)" } as const;

/** The names of the columns; on narrow screens only the selection. */
export function LogHead({ oneWebhook, rows, chosen, onChooseAll }: { readonly oneWebhook: boolean; readonly rows: number; readonly chosen: number; readonly onChooseAll: ((on: boolean) => void) | null }) {
  return (
    <div class="log-head" data-one={oneWebhook || undefined} data-choose={onChooseAll !== null || undefined}>
      {onChooseAll !== null && <span class="log-check"><Checkbox label="Select all that are loaded" hideLabel checked={rows > 0 && chosen === rows} mixed={chosen > 0 && chosen < rows} onChecked={onChooseAll} /></span>}
      <span class="log-state">State</span>
      <span class="log-event">Event</span>
      {!oneWebhook && <span class="log-webhook">Webhook</span>}
      <span class="log-answer">Answer</span>
      <span class="log-attempts">Attempts</span>
      <span class="log-time">Accepted</span>
    </div>
  );
}
