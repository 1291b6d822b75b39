/** How long the old secret signs beside a new one. */
export const overlaps = [
  { value: "0", label: "At once" },
  { value: "3600", label: "After 1 hour" },
  { value: "86400", label: "After 24 hours" },
  { value: "604800", label: "After 7 days" },
] as const;

/** In seconds, as the choice that a form has. */
export type Overlap = (typeof overlaps)[number]["value"];

/** What the choice means: a format with a signature header of its own has room for one signature only. */
export function overlapHint(overlap: Overlap, format: string, standardHeaders: boolean): string {
  if (overlap === "0") return "Requests are refused until your receiver has the new secret. They are tried again.";
  if (format === "standard") return "Until then requests carry both signatures, so that nothing is refused while you change your receiver.";
  const both = standardHeaders ? "only webhook-signature carries both" : "it has room for one only";
  return `The signature of the format ${format} is made with the new secret at once: ${both}.`;
}
