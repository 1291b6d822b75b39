import { useRef } from "preact/hooks";
import { Button, Card, Field, FieldError, TextInput } from "../../ui/index.ts";
import { type HeaderRow, mask } from "./form-model.ts";
import type { PartProps } from "./form-parts.ts";

/** Headers of the owner's own. Stored values are never shown: they are kept, or replaced. */
export function HeadersPart({ draft, set, errors }: PartProps) {
  const box = useRef<HTMLDivElement>(null);
  const change = (key: number, next: Partial<HeaderRow>): void => set({ headers: draft.headers.map((h) => (h.key === key ? { ...h, ...next } : h)) });
  const rename = (h: HeaderRow, name: string): void => {
    const kept = h.value === null && name.trim().toLowerCase() === h.stored.toLowerCase();
    change(h.key, h.value === null && !kept ? { name, value: "" } : { name });
  };
  const add = (): void => {
    const key = Math.max(-1, ...draft.headers.map((h) => h.key)) + 1;
    set({ headers: [...draft.headers, { key, name: "", value: "", stored: "" }] });
    requestAnimationFrame(() => box.current?.querySelector<HTMLInputElement>(".header-line:last-of-type input")?.focus());
  };
  return (
    <Card title="Custom headers" lead="Sent with every request, for example a key that your receiver asks for. Values are stored encrypted and are not shown again.">
      <div class="stack" ref={box}>
        {draft.headers.map((h, i) => (
          <div class="header-line" key={h.key}>
            <Field label={`Name of header ${i + 1}`} hideLabel={i > 0} error={errors[`headers.${h.key}.name`]}>
              {(control) => <TextInput {...control} value={h.name} onValue={(name) => rename(h, name)} mono placeholder="Authorization" />}
            </Field>
            <ValueField header={h} index={i} error={errors[`headers.${h.key}.value`]} onValue={(value) => change(h.key, { value })} />
            <Button icon="delete" kind="quiet" aria-label={`Remove header ${h.name === "" ? i + 1 : h.name}`} onClick={() => set({ headers: draft.headers.filter((other) => other.key !== h.key) })}>Remove</Button>
          </div>
        ))}
        <FieldError error={errors["headers"]} />
        <div><Button icon="add" onClick={add}>Add header</Button></div>
      </div>
    </Card>
  );
}

interface ValueFieldProps {
  readonly header: HeaderRow;
  readonly index: number;
  readonly error: string | undefined;
  readonly onValue: (value: string | null) => void;
}

function ValueField({ header: h, index, error, onValue }: ValueFieldProps) {
  const label = `Value of header ${index + 1}`;
  if (h.value === null) {
    return (
      <Field label={label} hideLabel={index > 0} hint="The stored value is kept." error={error}>
        {(control) => (
          <span class="row row-tight">
            <TextInput {...control} value={mask + mask} onValue={() => undefined} readOnly mono />
            <Button aria-label={`Replace the value of ${h.name}`} onClick={() => onValue("")}>Replace</Button>
          </span>
        )}
      </Field>
    );
  }
  const back = h.stored !== "" && h.name.trim().toLowerCase() === h.stored.toLowerCase();
  const hint = back ? undefined : h.stored !== "" ? "Type the value again: it was stored for another name." : undefined;
  return (
    <Field label={label} hideLabel={index > 0} hint={hint} error={error}>
      {(control) => (
        <span class="row row-tight">
          <TextInput {...control} value={h.value ?? ""} onValue={onValue} mono placeholder={index === 0 ? "Bearer …" : ""} />
          {back && <Button aria-label={`Keep the stored value of ${h.name}`} onClick={() => onValue(null)}>Keep</Button>}
        </span>
      )}
    </Field>
  );
}
