import { link } from "../../core/router.ts";
import { ButtonLink, Empty, Page } from "../../ui/index.ts";

/** In the place of a page that only a session or key with the scope admin may see. */
export function OperatorOnly({ title }: { readonly title: string }) {
  return (
    <Page title={title}>
      <Empty icon="lock" title="Only operators see this" action={<ButtonLink href={link("/agents")}>Show the agents</ButtonLink>}>
        The key that you signed in with may not do this. A sign-in link that may comes from <code>waybell console</code> on the server.
      </Empty>
    </Page>
  );
}
