import { useEffect, useRef, useState } from "preact/hooks";
import { connection, lose, reconnects } from "../core/api.ts";
import { agentLink, shell } from "../core/agent.ts";
import { link, pathname } from "../core/router.ts";
import { streamState } from "../core/stream.ts";
import { findRoute, type PageComponent, type PageRoute } from "../routes.ts";
import { Banner, ButtonLink, Empty, ErrorState, Loading, Page } from "../ui/index.ts";
import { Boundary } from "./boundary.tsx";

const loaded = new Map<PageRoute["load"], PageComponent>();

/** Shows the page of the address. */
export function Outlet() {
  const path = pathname.value;
  const match = findRoute(path);
  const [, setTurn] = useState(0);
  const [error, setError] = useState<unknown>(undefined);
  const load = match?.route.load;
  const Component = load === undefined ? undefined : loaded.get(load);
  const page = match?.route.keep ?? path;
  const back = reconnects.value;
  useFocusOnPage(page);
  useEffect(() => {
    setError(undefined);
    if (load === undefined || loaded.has(load)) return;
    let gone = false;
    load().then(
      (module) => {
        loaded.set(load, module.default);
        if (!gone) setTurn((n) => n + 1);
      },
      (failure: unknown) => {
        if (gone) return;
        setError(failure);
        lose(); // if it is only out of reach, the page loads when it is back
      },
    );
    return () => {
      gone = true;
    };
  }, [load, back]);
  if (match === null) {
    const home = shell.value === "portal" ? agentLink("webhooks") : link("/");
    return (
      <Page title="There is no such page">
        <Empty icon="question" title="Nothing is at this address" action={<ButtonLink href={home}>Go to the first page</ButtonLink>}>It may be incomplete, or from another version.</Empty>
      </Page>
    );
  }
  if (error !== undefined) return <ErrorState error={new Error("A part of this page could not be loaded; the server may have been updated.")} onRetry={() => window.location.reload()} />;
  if (Component === undefined) return <Loading />;
  return (
    <Boundary key={page}>
      <Component params={match.params} />
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
