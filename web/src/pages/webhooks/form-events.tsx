import type { EventType } from "../../core/types.ts";
import { Badge, Banner, Card, Checkbox, FieldError, RadioGroup } from "../../ui/index.ts";
import type { PartProps } from "./form-parts.ts";

const groupNames: Readonly<Record<string, string>> = {
  lead: "Leads", message: "Messages", conversation: "Conversations", feedback: "Feedback", escalation: "Escalations",
};

interface Group {
  readonly name: string;
  readonly types: readonly EventType[];
}

/** By the first part of the name; what was removed from the catalogue comes last. */
function groupTypes(types: readonly EventType[]): Group[] {
  const groups = new Map<string, EventType[]>();
  for (const type of types) {
    const key = type.name.split(".")[0] ?? type.name;
    groups.set(key, [...(groups.get(key) ?? []), type]);
  }
  return [...groups].map(([key, list]) => ({ name: groupNames[key] ?? key.charAt(0).toUpperCase() + key.slice(1), types: list }));
}

/** Which events it gets. All of them, now and later, is a choice of its own. */
export function EventsPart({ draft, set, errors, setting }: PartProps) {
  const { types } = setting;
  const gone = draft.events.filter((name) => !types.some((t) => t.name === name));
  const choose = (name: string, on: boolean): void => set({ events: on ? [...draft.events, name] : draft.events.filter((e) => e !== name) });
  return (
    <Card title="Events">
      <div class="stack">
        <RadioGroup
          label="Which events should be sent?" hideLabel value={draft.all ? "all" : "some"} onValue={(value) => set({ all: value === "all" })}
          options={[
            { value: "all", label: "All events, now and later", hint: "Also those that are added in the future. Your receiver should ignore what it does not know." },
            // Last: what there is to choose follows.
            { value: "some", label: "Only these events", hint: draft.all ? undefined : "Choose what your receiver needs." },
          ]}
        />
        {!draft.all && (
          <div class="event-groups">
            {groupTypes(types).map((group) => (
              <fieldset class="event-group" key={group.name}>
                <legend class="small muted">{group.name}</legend>
                {group.types.map((t) => <EventChoice key={t.name} type={t} checked={draft.events.includes(t.name)} onChecked={(on) => choose(t.name, on)} />)}
              </fieldset>
            ))}
            {gone.length > 0 && (
              <fieldset class="event-group">
                <legend class="small muted">No longer in the catalogue</legend>
                {gone.map((name) => <Checkbox key={name} label={<code>{name}</code>} hint="It never happens any more." checked onChecked={(on) => choose(name, on)} />)}
              </fieldset>
            )}
          </div>
        )}
        {!draft.all && draft.events.length === 0 && <Banner tone="warn" title="No event is chosen">It can be saved, but nothing will be sent until you choose events.</Banner>}
        <FieldError error={errors["events"]} />
      </div>
    </Card>
  );
}

function EventChoice({ type: t, checked, onChecked }: { readonly type: EventType; readonly checked: boolean; readonly onChecked: (on: boolean) => void }) {
  const label = <span class="row"><code>{t.name}</code>{!t.available && <Badge icon="lock">Not available on this plan</Badge>}</span>;
  return <Checkbox label={label} hint={t.description} checked={checked} disabled={!t.available && !checked} onChecked={onChecked} />;
}
