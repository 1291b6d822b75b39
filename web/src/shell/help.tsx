import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { focusSearch, type Shortcut, shortcuts, useShortcuts } from "../core/keys.ts";
import { Dialog } from "../ui/dialog.tsx";

export const helpShown = signal(false);

/** The keys that work everywhere, and the dialog that lists all that work now. */
export function KeyboardHelp() {
  const own = useMemo<readonly Shortcut[]>(
    () => [
      { key: "/", label: "Search", run: focusSearch },
      { key: "?", label: "Show these keys", run: () => { helpShown.value = true; } },
    ],
    [],
  );
  useShortcuts(own);
  if (!helpShown.value) return null;
  const unique = [...new Map(shortcuts.value.map((s) => [s.key, s])).values()];
  return (
    <Dialog title="Keyboard" onClose={() => { helpShown.value = false; }}>
      <dl class="keys-list">
        {unique.map((s) => (
          <>
            <dt key={`${s.key} key`}><kbd>{s.key}</kbd></dt>
            <dd key={s.key}>{s.label}</dd>
          </>
        ))}
        <dt><kbd>Esc</kbd></dt>
        <dd>Close what is open</dd>
      </dl>
    </Dialog>
  );
}
