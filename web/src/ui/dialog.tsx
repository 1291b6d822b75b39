import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { messageOf } from "../core/api.ts";
import { Button, IconButton } from "./button.tsx";
import { classes } from "./classes.ts";
import { Field, TextInput } from "./field.tsx";
import { Banner } from "./feedback.tsx";

export interface DialogProps {
  readonly title: ComponentChildren;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** The actions, in a bar at the end. */
  readonly foot?: ComponentChildren;
  readonly wide?: boolean;
  /** From the side, over the height of the page. */
  readonly drawer?: "start" | "end";
  readonly hideTitle?: boolean;
  /** A request is under way, and its end is told here: until then it cannot be closed. */
  readonly busy?: boolean;
  /** The keys of the page go on working, such as `j` and `k` over a list. */
  readonly keys?: boolean;
}

/** A modal dialog. It is shown while it is rendered; Escape and a click beside it close it. */
export function Dialog({ title, onClose, children, foot, wide = false, drawer, hideTitle = false, busy = false, keys = false }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // At once: what is typed in the next frame must not reach the page below, nor a dialog that is gone.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog?.showModal();
    // The browser takes the first control, which closes: a field is what is wanted.
    dialog?.querySelector<HTMLElement>(".dialog-body :is(input, textarea, select):not([disabled])")?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const close = (): void => {
    if (!busy) onClose();
  };
  return (
    <dialog
      ref={ref}
      closedby={busy ? "none" : undefined}
      class={classes("dialog", wide && "dialog-wide", drawer !== undefined && "drawer", drawer === "start" && "drawer-start")}
      aria-labelledby={id}
      tabIndex={-1}
      data-keys={keys || undefined}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClose={() => {
        // Chrome closes it at a second Escape, whatever was prevented: what is still rendered is shown again.
        const dialog = ref.current;
        if (dialog !== null && dialog.isConnected && !dialog.open) dialog.showModal();
      }}
      onPointerDown={(event) => {
        const dialog = ref.current;
        if (dialog !== null && event.target === dialog && outside(event, dialog)) close();
      }}
    >
      <div class="dialog-head">
        <h2 id={id} class={classes(hideTitle && "visually-hidden")}>{title}</h2>
        <IconButton icon="close" label="Close" size="small" disabled={busy} onClick={close} />
      </div>
      <div class="dialog-body">{children}</div>
      {foot !== undefined && <div class="dialog-foot">{foot}</div>}
    </dialog>
  );
}

/** A drawer is a dialog from the side, for details beside a list. */
export function Drawer(props: Omit<DialogProps, "drawer" | "wide">) {
  return <Dialog {...props} drawer="end" />;
}

function outside(event: PointerEvent, dialog: HTMLDialogElement): boolean {
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

export interface ConfirmDialogProps {
  readonly title: string;
  /** Says what will happen, and to how many things. */
  readonly children: ComponentChildren;
  /** The action in its own words: "Delete webhook", never "OK". */
  readonly action: string;
  /** The button that leaves all as it is, if it is not "Cancel". */
  readonly stay?: string;
  readonly danger?: boolean;
  /** What must be typed first. */
  readonly typed?: string;
  /** What it asks about is not there yet: it cannot be confirmed. */
  readonly loading?: boolean;
  /** The dialog stays open and shows the error if it fails. */
  readonly onConfirm: () => Promise<void> | void;
  readonly onClose: () => void;
}

export function ConfirmDialog({ title, children, action, stay = "Cancel", danger = false, typed, loading = false, onConfirm, onClose }: ConfirmDialogProps) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const ready = !loading && (typed === undefined || text.trim() === typed);
  const confirm = async (): Promise<void> => {
    if (!ready || busy) return;
    setBusy(true);
    setError("");
    try {
      await onConfirm();
      onClose();
    } catch (failure) {
      setError(messageOf(failure));
      setBusy(false);
    }
  };
  const foot = (
    <>
      <Button disabled={busy} onClick={onClose}>{stay}</Button>
      <Button kind={danger ? "danger" : "primary"} busy={busy} disabled={!ready} onClick={() => void confirm()}>{action}</Button>
    </>
  );
  return (
    <Dialog title={title} onClose={onClose} busy={busy} foot={foot}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void confirm();
        }}
      >
        <div class="stack stack-s">{children}</div>
        {typed !== undefined && (
          <Field label={<span>Type <code class="anywhere">{typed}</code> to confirm</span>}>
            {(control) => <TextInput {...control} value={text} onValue={setText} mono />}
          </Field>
        )}
        {error !== "" && <Banner tone="bad">{error}</Banner>}
      </form>
    </Dialog>
  );
}
