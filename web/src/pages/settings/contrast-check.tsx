import { useEffect, useRef } from "preact/hooks";
import { asText, contrast, css, parseHex, type Rgb, textOn } from "../../core/contrast.ts";
import { Banner, State } from "../../ui/index.ts";

const enough = 4.5;
const ratio = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Shows the colour as it will be used, and says whether it can be read. */
export function ContrastCheck({ color }: { readonly color: string }) {
  const rgb = parseHex(color);
  if (rgb === null) return null;
  const on = textOn(rgb);
  const best = contrast(on, rgb);
  const readable = best >= enough;
  return (
    <div class="stack">
      <h3>How it looks</h3>
      <Sample theme="light" rgb={rgb} on={on} />
      <Sample theme="dark" rgb={rgb} on={on} />
      <p>
        <State info={readable ? { word: "Readable", tone: "good", icon: "ok", text: "At least 4.5 to 1, as WCAG asks for." } : { word: "Hard to read", tone: "warn", icon: "warning", text: "Less than 4.5 to 1." }} />{" "}
        <span class="muted">The words on the button have a contrast of {ratio.format(best)} to 1; 4.5 or more is good. Where the colour is used for words, it is made darker or lighter by itself until they can be read.</span>
      </p>
      {!readable && <Banner tone="warn">Choose a darker or a lighter colour. This one is in between, so neither white nor black words stand out on it.</Banner>}
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
