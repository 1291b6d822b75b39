import { count } from "../../core/format.ts";
import { link } from "../../core/router.ts";
import { checks as words } from "../../core/state.ts";
import type { Check } from "../../core/types-server.ts";
import { Banner, State } from "../../ui/index.ts";

/** What an operator should know about the server; a quiet line when all is well. */
export function ChecksSummary({ checks }: { readonly checks: readonly Check[] }) {
  const wrong = checks.filter((c) => c.status !== "ok");
  if (wrong.length === 0) {
    return <p class="row"><State info={words.ok}>All {count(checks.length, "check")} are good.</State> <a href={link("/system")}>System</a></p>;
  }
  const broken = wrong.some((c) => c.status === "error");
  return (
    <Banner
      tone={broken ? "bad" : "warn"} title={broken ? "Something does not work" : `${count(wrong.length, "thing")} to look at`}
      action={<a class="nowrap" href={link("/system")}>All checks</a>}
    >
      <ul class="stack stack-s">
        {wrong.map((c) => <li key={c.name}>{broken && <strong>{words[c.status].word}: </strong>}{c.text}</li>)}
      </ul>
    </Banner>
  );
}
