import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { param, setQuery } from "../core/router.ts";
import { Button } from "./button.tsx";
import { type Option, Select } from "./field.tsx";
import { Icon } from "./icon.tsx";

/** Filters of a list; all of them live in the address. */
export function FilterBar({ names, children }: { /** The parameters that "Clear" removes. */ readonly names: readonly string[]; readonly children: ComponentChildren }) {
  const active = names.some((name) => param(name) !== "");
  return (
    <div class="filters" role="search">
      {children}
      {active && <Button kind="quiet" icon="close" onClick={() => setQuery(Object.fromEntries(names.map((name) => [name, null])))}>Clear filters</Button>}
    </div>
  );
}

/** A search field bound to a parameter; `/` leads to it. */
export function SearchFilter({ name = "search", label }: { readonly name?: string; readonly label: string }) {
  const value = param(name);
  const [text, setText] = useState(value);
  const sent = useRef(value);
  // At once: by a later look, more may have been typed and sent.
  useLayoutEffect(() => {
    if (value !== sent.current) setText(value); // the address changed by itself
    sent.current = value;
  }, [value]);
  // At once, too: a field that is gone must not write into the next page's address.
  useLayoutEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      setQuery({ [name]: text });
    }, 200);
    return () => clearTimeout(timer);
  }, [text, name]);
  return (
    <div class="input-group">
      <Icon name="search" />
      <input
        class="input" type="search" value={text} placeholder={label} aria-label={label} autocomplete="off" spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <kbd aria-hidden>/</kbd>
    </div>
  );
}

/** A choice bound to a parameter; the first option is "all" and has the value "". */
export function SelectFilter<T extends string>({ name, label, options }: { readonly name: string; readonly label: string; readonly options: readonly Option<T>[] }) {
  const value = options.find((o) => o.value === param(name))?.value ?? options[0]?.value;
  if (value === undefined) return null;
  return <Select aria-label={label} value={value} options={options} onValue={(next) => setQuery({ [name]: next })} />;
}
