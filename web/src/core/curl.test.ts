/** Runs the commands in a real shell, where a function in the place of curl tells what it was given. */
import { curlOf, publishCommand, quote } from "./curl.ts";

// The pages are compiled without the types of Node.js, so its modules come untyped.
const node = (name: string): Promise<any> => import(`node:${name}`);
const { test } = await node("test");
const assert = await node("assert/strict");
const { execFileSync } = await node("child_process");

/** Arguments and standard input, as curl would see them. */
function run(command: string): { args: string[]; input: string } {
  const script = `curl() { printf '%s\\0' "$@"; case "$*" in *"--data-binary @-"*) printf '\\001'; cat ;; esac; }\n${command}\n`;
  const out: string = execFileSync("sh", ["-c", script], { encoding: "utf8" });
  const mark = out.indexOf("\u0001");
  const args = (mark < 0 ? out : out.slice(0, mark)).split("\0");
  return { args: args.slice(0, -1), input: mark < 0 ? "" : out.slice(mark + 1) };
}

const nasty = [
  "", "plain", "it's", "'", "''", "a 'b' c", `"double" $HOME \`id\` $(id) \\ !x`, "@/etc/passwd", "two\nlines\n", "\ttab\r\n", "ünïcödé 💶 日本語", "-X", "%s %d %%", "\\n \\047", "#no comment", "a;b&c|d>e",
];

test("every word reaches curl as it is", () => {
  for (const text of nasty) {
    const { args } = run(`curl ${text === "" ? "''" : quote(text)}`);
    assert.deepEqual(args, [text]);
  }
});

test("a body arrives byte for byte", () => {
  for (const body of [...nasty, "with a \0 NUL, it's 100 % \\ safe\n", "\0"]) {
    const { args, input } = run(curlOf({ method: "POST", url: "https://a.example/hook?x=[1]&y={2}", headers: { "Content-Type": "application/json" }, body }).command);
    const at = args.indexOf("--data-raw");
    assert.equal(at < 0 ? input : args[at + 1], body);
    assert.equal(args.includes("https://a.example/hook?x=[1]&y={2}"), true);
  }
});

test("headers are given, except those that curl makes", () => {
  const { args } = run(curlOf({
    method: "PUT", url: "https://a.example/", body: "{}",
    headers: { Host: "a.example", "Content-Length": "2", "Content-Type": "application/json", "X-It's": "a 'quoted' value", "X-Empty": "" },
  }).command);
  assert.deepEqual(args, ["-i", "--globoff", "--path-as-is", "-X", "PUT", "https://a.example/", "-H", "Content-Type: application/json", "-H", "X-It's: a 'quoted' value", "-H", "X-Empty;", "--data-raw", "{}"]);
});

test("masked values are named in a comment, and a missing body is told", () => {
  const curl = curlOf({ method: "POST", url: "https://a.example/", body: null, headers: { Authorization: "••••", "X-Plain": "1" } });
  assert.deepEqual(curl.masked, ["Authorization"]);
  assert.match(curl.command, /^# •••• stands for a secret value: put yours in \(Authorization\)\.\n# The body is not kept any more\.\ncurl /);
  assert.deepEqual(run(curl.command).args.slice(-4), ["-H", "Authorization: ••••", "-H", "X-Plain: 1"]);
});

test("an event is published as it is, whatever is in it", () => {
  const data = { name: "O'Neill", note: "\"quoted\" and $HOME and `date`\n" };
  const { args } = run(publishCommand("https://a.example/x/", "agent 1", "lead.submit", data));
  assert.equal(args[1], "https://a.example/x/v1/agents/agent%201/events");
  assert.deepEqual(JSON.parse(args.at(-1) ?? ""), { event: "lead.submit", data });
});
