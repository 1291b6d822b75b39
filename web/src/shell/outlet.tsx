import { useEffect, useRef } from "preact/hooks";
import { connection } from "../core/api.ts";
import { agentLink, shell } from "../core/agent.ts";
import { usePart } from "../core/part.ts";
import { link, pathname } from "../core/router.ts";
import { streamState } from "../core/stream.ts";
import { findRoute } from "../routes.ts";
import { Banner, ButtonLink, Empty, Loading, OtherVersion, Page } from "../ui/index.ts";
import { Boundary } from "./boundary.tsx";

/** Shows the page of the address. */
export function Outlet() {
  const path = pathname.value;
  const match = findRoute(path);
  const { part, missing } = usePart(match?.route.load);
  const page = match?.route.keep ?? path;
  useFocusOnPage(page);
  if (match === null) {
    const home = shell.value === "portal" ? agentLink("webhooks") : link("/");
    return (
      <Page title="There is no such page">
        <Empty icon="question" title="Nothing is at this address" action={<ButtonLink href={home}>Go to the first page</ButtonLink>}>It may be incomplete, or from another version.</Empty>
      </Page>
    );
  }
  if (missing) return <OtherVersion />;
  if (part === undefined) return <Loading />;
  return (
    <Boundary key={page}>
      <part.default params={match.params} />
    </Boundary>
  );
}

/** After a change of page the heading gets the focus, so that it is read out. */
function useFocusOnPage(page: string): void {
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    if (document.querySelector("dialog:modal") !== null) return;
    window.scrollTo(0, 0);
    document.getElementById("content")?.focus({ preventScroll: true });
  }, [page]);
}

/** Says that what is shown may be old. */
export function ConnectionBanner() {
  if (connection.value === "lost") return <Banner bar tone="warn">The server cannot be reached. What is shown may be out of date; it is tried again by itself.</Banner>;
  if (streamState.value === "reconnecting") return <Banner bar tone="info">Live updates are interrupted. They come back by themselves.</Banner>;
  return null;
}
