/** Reads a logo that somebody chose. */
import { bytes } from "../../core/format.ts";
import type { BrandingInput } from "../../core/types-server.ts";

export type Logo = NonNullable<BrandingInput["logo"]>;
export const largestLogo = 64 * 1024;
const mediaTypes: readonly Logo["media_type"][] = ["image/png", "image/webp", "image/jpeg"];
export const accepted = mediaTypes.join(",");

/** Why a file cannot be a logo; "" if it can. */
export function wrongLogo(file: { readonly type: string; readonly size: number }): string {
  if (!mediaTypes.some((t) => t === file.type)) return "Choose a PNG, WebP or JPEG picture.";
  if (file.size === 0) return "The file is empty.";
  if (file.size > largestLogo) return `The picture has ${bytes(file.size)}. At most ${bytes(largestLogo)} are allowed: make it smaller; 128 pixels high is plenty.`;
  return "";
}

export async function readLogo(file: File): Promise<Logo> {
  const type = mediaTypes.find((t) => t === file.type);
  if (type === undefined) throw new Error(wrongLogo(file));
  return { media_type: type, data: base64(new Uint8Array(await file.arrayBuffer())) };
}

export function base64(data: Uint8Array): string {
  let text = "";
  for (let i = 0; i < data.length; i += 8_192) text += String.fromCharCode(...data.subarray(i, i + 8_192));
  return btoa(text);
}
