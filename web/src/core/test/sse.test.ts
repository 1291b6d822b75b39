import assert from "node:assert/strict";
import { test } from "node:test";
import { SseParser, type ServerEvent } from "../sse.ts";

function parse(...chunks: readonly string[]): ServerEvent[] {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

const stream = 'id: b.1\nevent: hello\ndata: {"resumed":false}\n\n: a comment\n\nid:b.2\nevent:delivery\ndata: one\ndata: two\n\ndata\n\n';
const want: readonly ServerEvent[] = [
  { type: "hello", data: '{"resumed":false}', id: "b.1" },
  { type: "delivery", data: "one\ntwo", id: "b.2" },
  { type: "message", data: "", id: "b.2" },
];

test("events, comments, several lines of data, a kept id", () => {
  assert.deepEqual(parse(stream), want);
});

test("all line ends mean the same", () => {
  assert.deepEqual(parse(stream.replaceAll("\n", "\r\n")), want);
  assert.deepEqual(parse(`${stream.replaceAll("\n", "\r")}\n`), want);
});

test("a stream may be cut anywhere", () => {
  for (const text of [stream, stream.replaceAll("\n", "\r\n")]) {
    for (let at = 0; at <= text.length; at++) assert.deepEqual(parse(text.slice(0, at), text.slice(at)), want, `cut at ${at}`);
    assert.deepEqual(parse(...text), want);
  }
});

test("a byte order mark, an unknown field, one blank only, an id with a null", () => {
  assert.deepEqual(parse("\uFEFFdata:  x\nother: y\nid: a\0b\n\n"), [{ type: "message", data: " x", id: "" }]);
});

test("an event that has not ended is none", () => {
  assert.deepEqual(parse("data: x\n"), []);
  assert.deepEqual(parse("event: x\n\n"), []);
});

test("the server says how long to wait", () => {
  const parser = new SseParser();
  parser.push("retry: 3000\nretry: soon\n\n");
  assert.equal(parser.retry, 3000);
});
