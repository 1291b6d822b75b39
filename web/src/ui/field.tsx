import type { ComponentChildren, InputHTMLAttributes, PartialInputHTMLAttributes, PartialSelectHTMLAttributes, TextareaHTMLAttributes } from "preact";
import { useId } from "preact/hooks";
import { classes } from "./classes.ts";
import { Icon } from "./icon.tsx";

/** What a control must carry to belong to its label, hint and error. */
export interface ControlProps {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": boolean | undefined;
}

export interface FieldProps {
  readonly label: ComponentChildren;
  /** Beside the label, weak: "optional". */
  readonly note?: string;
  readonly hint?: ComponentChildren;
  readonly error?: ComponentChildren;
  /** Keeps the label for those who do not see; use it only where the place says it. */
  readonly hideLabel?: boolean;
  readonly children: (control: ControlProps) => ComponentChildren;
}

/** A control with its label, hint and error: `<Field label="URL">{(c) => <TextInput {...c} …/>}</Field>`. */
export function Field({ label, note, hint, error, hideLabel = false, children }: FieldProps) {
  const id = useId();
  const has = (part: ComponentChildren): boolean => part !== undefined && part !== null && part !== "" && part !== false;
  const described = [has(error) ? `${id}-error` : "", has(hint) ? `${id}-hint` : ""].filter((d) => d !== "").join(" ");
  return (
    <div class="field">
      <label class={classes("field-label", hideLabel && "visually-hidden")} for={id}>
        {label}
        {note !== undefined && <span class="muted">{note}</span>}
      </label>
      {children({ id, "aria-describedby": described === "" ? undefined : described, "aria-invalid": has(error) || undefined })}
      {has(hint) && <div class="field-hint" id={`${id}-hint`}>{hint}</div>}
      <FieldError id={`${id}-error`} error={error} />
    </div>
  );
}

/** The error of a field, or of a group of fields. */
export function FieldError({ id, error }: { readonly id?: string; readonly error?: ComponentChildren }) {
  const shown = error !== undefined && error !== null && error !== "" && error !== false;
  return (
    <div aria-live="polite" hidden={!shown}>
      {shown && (
        <div class="field-error" id={id}>
          <Icon name="failed" size="s" />
          <span>{error}</span>
        </div>
      )}
    </div>
  );
}

type Native<T extends HTMLElement, A> = Omit<A, "role" | "value" | "onInput" | "onChange" | "class" | "size" | "label" | "icon"> & { readonly inputRef?: { current: T | null } };

export interface TextInputProps extends Omit<Native<HTMLInputElement, PartialInputHTMLAttributes<HTMLInputElement>>, "type"> {
  readonly type?: "text" | "search" | "url" | "email" | "password" | "number" | "date" | "time" | "datetime-local" | "color";
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly mono?: boolean;
}

export function TextInput({ value, onValue, mono = false, inputRef, type = "text", ...rest }: TextInputProps) {
  // Preact's type of an input depends on its type attribute; ours is a closed set of texts.
  const native = { ...rest, type } as InputHTMLAttributes<HTMLInputElement>;
  return (
    <input
      {...native} ref={inputRef} value={value} onInput={(event) => onValue(event.currentTarget.value)}
      class={classes("input", mono && "input-mono")} autocomplete={rest.autocomplete ?? "off"} spellcheck={rest.spellcheck ?? !mono}
    />
  );
}

export interface TextareaProps extends Native<HTMLTextAreaElement, TextareaHTMLAttributes<HTMLTextAreaElement>> {
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly mono?: boolean;
}

export function Textarea({ value, onValue, mono = false, inputRef, ...rest }: TextareaProps) {
  return (
    <textarea
      {...rest} ref={inputRef} value={value} onInput={(event) => onValue(event.currentTarget.value)}
      class={classes("input", mono && "input-mono")} spellcheck={rest.spellcheck ?? !mono}
    />
  );
}

export interface Option<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly disabled?: boolean;
}

export interface SelectProps<T extends string> extends Native<HTMLSelectElement, PartialSelectHTMLAttributes<HTMLSelectElement>> {
  readonly value: T;
  readonly onValue: (value: T) => void;
  readonly options: readonly Option<T>[];
}

export function Select<T extends string>({ value, onValue, options, inputRef, ...rest }: SelectProps<T>) {
  const choose = (text: string): void => {
    const found = options.find((o) => o.value === text);
    if (found !== undefined) onValue(found.value);
  };
  return (
    <span class="select">
      <select {...rest} ref={inputRef} class="input" value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {options.map((o) => (
          <option key={o.value} value={o.value} disabled={o.disabled}>{o.label}</option>
        ))}
      </select>
      <Icon name="down" size="s" />
    </span>
  );
}

export interface ChoiceProps {
  readonly label: ComponentChildren;
  readonly hint?: ComponentChildren;
  readonly checked: boolean;
  readonly onChecked: (checked: boolean) => void;
  readonly disabled?: boolean;
  readonly hideLabel?: boolean;
  /** Some of what it stands for are chosen, others not. */
  readonly mixed?: boolean;
}

export function Checkbox(props: ChoiceProps) {
  return <Choice {...props} kind="checkbox" />;
}

/** For what applies at once, or is a state; else take a checkbox. */
export function Switch(props: ChoiceProps) {
  return <Choice {...props} kind="switch" />;
}

function Choice({ label, hint, checked, onChecked, disabled = false, hideLabel = false, mixed = false, kind }: ChoiceProps & { readonly kind: "checkbox" | "switch" }) {
  const id = useId();
  return (
    <label class={classes("choice", kind === "switch" && "switch")}>
      <input
        type="checkbox"
        role={kind === "switch" ? "switch" : undefined}
        checked={checked}
        indeterminate={mixed}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : id}
        onChange={(event) => onChecked(event.currentTarget.checked)}
        onClick={(event) => event.stopPropagation()}
      />
      <span class={classes("choice-text", hideLabel && "visually-hidden")}>
        <span>{label}</span>
        {hint !== undefined && <span class="field-hint" id={id}>{hint}</span>}
      </span>
    </label>
  );
}

export interface RadioGroupProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly onValue: (value: T) => void;
  readonly options: readonly (Option<T> & { readonly hint?: string })[];
  readonly hideLabel?: boolean;
  readonly disabled?: boolean;
}

export function RadioGroup<T extends string>({ label, value, onValue, options, hideLabel = false, disabled = false }: RadioGroupProps<T>) {
  const name = useId();
  return (
    <fieldset class="field" disabled={disabled}>
      <legend class={classes("field-label", hideLabel && "visually-hidden")}>{label}</legend>
      {options.map((o) => (
        <label class="choice" key={o.value}>
          <input type="radio" name={name} value={o.value} checked={o.value === value} disabled={o.disabled} onChange={() => onValue(o.value)} />
          <span class="choice-text">
            <span>{o.label}</span>
            {o.hint !== undefined && <span class="field-hint">{o.hint}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** A radio group in one line, for two to five short choices. */
export function Segmented<T extends string>({ label, value, onValue, options, disabled = false }: RadioGroupProps<T>) {
  const name = useId();
  return (
    <fieldset class="segmented" disabled={disabled} aria-label={label}>
      {options.map((o) => (
        <label key={o.value}>
          <input type="radio" name={name} value={o.value} checked={o.value === value} disabled={o.disabled} onChange={() => onValue(o.value)} />
          {o.label}
        </label>
      ))}
    </fieldset>
  );
}
