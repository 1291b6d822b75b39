import { useEffect, useRef } from "preact/hooks";
import { asText, contrast, css, parseHex, type Rgb, textOn } from "../../core/contrast.ts";
import type { StateInfo } from "../../core/state.ts";
import { State } from "../../ui/index.ts";

/** What WCAG asks for: of words, and of what must be seen to be used. */
const forWords = 4.5;
const forShapes = 3;
const pages = { light: [255, 255, 255], dark: [24, 25, 27] } as const;
const ratio = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const good: StateInfo = { word: "Easy to see", tone: "good", icon: "ok", text: "It stands out as much as WCAG asks for." };
const bad: StateInfo = { word: "Hard to see", tone: "warn", icon: "warning", text: "It stands out less than WCAG asks for." };

/** Shows the colour as it will be used, and says whether it can be seen and read. */
export function ContrastCheck({ color }: { readonly color: string }) {
  const rgb = parseHex(color);
  if (rgb === null) return null;
  const on = textOn(rgb);
  const rows = [
    { name: "Words on the button", value: contrast(on, rgb), least: forWords },
    { name: "Button on a light page", value: contrast(rgb, pages.light), least: forShapes },
    { name: "Button on a dark page", value: contrast(rgb, pages.dark), least: forShapes },
  ];
  return (
    <div class="stack">
      <h2>How it looks</h2>
      <Sample theme="light" rgb={rgb} on={on} />
      <Sample theme="dark" rgb={rgb} on={on} />
      <ul class="stack stack-s" aria-label="Contrast">
        {rows.map((r) => (
          <li class="row" key={r.name}>
            <State info={r.value >= r.least ? good : bad} />
            <span>{r.name}</span>
            <span class="muted number">{ratio.format(r.value)} to 1, at least {ratio.format(r.least)}</span>
          </li>
        ))}
      </ul>
      <p class="small muted">Where the colour is used for words, it is made darker or lighter by itself until they can be read.</p>
    </div>
  );
}

function Sample({ theme, rgb, on }: { readonly theme: "light" | "dark"; readonly rgb: Rgb; readonly on: Rgb }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.style.setProperty("--sample", css(rgb));
    box.current?.style.setProperty("--sample-on", css(on));
    box.current?.style.setProperty("--sample-text", css(asText(rgb, theme)));
  }, [rgb.join(), on.join(), theme]);
  return (
    <div class={`accent-sample accent-${theme}`} ref={box} role="img" aria-label={`The colour on a ${theme} page`}>
      <span class="accent-button">New webhook</span>
      <span class="accent-link">A link in a text</span>
    </div>
  );
}
