import { now } from "../../core/clock.ts";
import { bytes, count, duration, milliseconds, number } from "../../core/format.ts";
import type { SystemInfo } from "../../core/types-server.ts";
import { CopyText, type Fact, Time } from "../../ui/index.ts";

const names: Readonly<Record<string, string>> = {
  publishing: "Publishing", public_url: "Public address", allow_targets: "Allowed targets", open_pages: "Open pages", clock: "Clock",
  data_dir: "Data directory", disk: "Disk", database: "Database", database_changes: "News from other nodes", database_replica: "Replica",
};

/** The name of a check; one that this version does not know speaks for itself. */
export function checkName(name: string): string {
  const known = names[name];
  if (known !== undefined) return known;
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const drivers: Readonly<Record<string, string>> = { sqlite: "SQLite, one file on this machine", postgres: "PostgreSQL" };

export function serverFacts(s: SystemInfo): readonly (Fact | null)[] {
  return [
    { name: "Version", value: <CopyText text={s.version} label="Version" /> },
    s.commit === null ? null : { name: "Built from", value: <CopyText text={s.commit} label="Commit">{s.commit.slice(0, 12)}</CopyText> },
    { name: "Go", value: s.go_version.replace(/^go/, "") },
    { name: "Node", value: <CopyText text={s.node} label="Node" /> },
    { name: "Started", value: <Time at={s.started_at} none="starting" /> },
    { name: "Address", value: <CopyText text={s.base_url} label="Address" /> },
  ];
}

export function storeFacts({ store }: SystemInfo): readonly Fact[] {
  return [
    { name: "Kind", value: drivers[store.driver] ?? store.driver },
    { name: "Size", value: bytes(store.size_bytes) },
    { name: "Its log", value: `${bytes(store.log_bytes)} not yet merged` },
    { name: "Events kept", value: number(store.events_kept) },
    { name: "Writes", value: `${number(store.commits)} since the start` },
    { name: "A write takes", value: store.commits === 0 ? "–" : `${milliseconds(store.commit_ms)} on average` },
  ];
}

export function loadFacts({ load, settings }: SystemInfo): readonly Fact[] {
  const oldest = load.oldest_due_at;
  const late = oldest === null ? 0 : (now.value - Date.parse(oldest)) / 1_000;
  return [
    { name: "Being sent", value: `${number(load.in_flight)} of ${number(settings.max_in_flight)} at the same time` },
    { name: "Queue", value: count(load.queued, "delivery", "deliveries") },
    { name: "Oldest waiting", value: late < 1 ? "Nothing is late" : duration(late) },
    { name: "Results to store", value: number(load.outcomes_waiting) },
    { name: "Webhooks on hold", value: load.breakers_open === 0 ? "None" : `${count(load.breakers_open, "webhook")}: only a probe now and then, until the receiver answers` },
  ];
}

export function settingFacts({ settings: s }: SystemInfo): readonly Fact[] {
  const suspended = s.suspend_after_seconds === null ? "Never for failures" : `After ${duration(s.suspend_after_seconds)} without success and ${count(s.suspend_failures, "failure")}`;
  return [
    { name: "Log is kept", value: s.retention_seconds === null ? "For ever" : duration(s.retention_seconds) },
    { name: "Webhooks suspended", value: suspended },
    { name: "New agents", value: s.create_agents ? "Created by their first event, too" : "Must be created before their first event" },
    { name: "Private targets", value: <Values of={s.allow_targets} none="None: public addresses only" /> },
    { name: "Portal embedded by", value: <Values of={s.portal_origins} none="No page" /> },
    { name: "Largest event", value: bytes(s.max_event_bytes) },
    { name: "Webhooks per agent", value: `At most ${number(s.max_endpoints_per_agent)}` },
    { name: "At the same time", value: `${number(s.max_in_flight)} in all, ${number(s.endpoint_concurrency)} to one webhook` },
  ];
}

function Values({ of, none }: { readonly of: readonly string[]; readonly none: string }) {
  if (of.length === 0) return <>{none}</>;
  return <span class="row">{of.map((v) => <code class="anywhere" key={v}>{v}</code>)}</span>;
}
