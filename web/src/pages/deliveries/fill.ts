import { useEffect, useState } from "preact/hooks";

const least = 420;
const framed = 640;

/** How high a list may be so that it ends with the window. In a frame that grows with its content it is a fixed size. */
export function useFill(box: { readonly current: HTMLElement | null }): number {
  const [height, setHeight] = useState(framed);
  useEffect(() => {
    if (window.parent !== window) return;
    const measure = (): void => {
      const top = (box.current?.getBoundingClientRect().top ?? 0) + window.scrollY;
      setHeight(Math.max(least, window.innerHeight - top - 72));
    };
    measure();
    window.addEventListener("resize", measure);
    return () => window.removeEventListener("resize", measure);
  });
  return height;
}

const narrow = window.matchMedia("(max-width: 48rem)");

/** Below it a row has two lines. */
export function useNarrow(): boolean {
  const [is, setIs] = useState(narrow.matches);
  useEffect(() => {
    const change = (): void => setIs(narrow.matches);
    narrow.addEventListener("change", change);
    return () => narrow.removeEventListener("change", change);
  }, []);
  return is;
}
