import { base } from "../core/api.ts";
import { session } from "../core/session.ts";
import { Icon } from "../ui/icon.tsx";

/** The platform's name and logo. */
export function Brand({ href }: { readonly href: string }) {
  const brand = session.value?.branding;
  const logo = brand?.logo_url ?? null;
  return (
    <a class="brand" href={href}>
      {logo === null ? <span class="brand-mark"><Icon name="bell" /></span> : <img class="brand-logo" src={new URL(logo, base).href} alt="" />}
      <span class="truncate">{brand?.name ?? "Waybell"}</span>
    </a>
  );
}
