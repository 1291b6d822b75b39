import assert from "node:assert/strict";
import { test } from "node:test";
import { prettyJson, prettyText } from "../highlight.ts";

test("the same as JSON.stringify would indent", () => {
  for (const value of [{}, [], { a: [], b: {} }, [1, "two", null, true, { "k:": "v,}" }], "text", -1.5e300, { a: { b: [{ c: 'quo"te\\' }] } }]) {
    assert.equal(prettyText(JSON.stringify(value)), JSON.stringify(value, null, 2));
    assert.equal(prettyText(JSON.stringify(value, null, "\t")), JSON.stringify(value, null, 2));
  }
});

test("what was sent is kept to the digit", () => {
  assert.equal(prettyText('{"n":12345678901234567890.10,"u":"\\u00e9","n":1}'), '{\n  "n": 12345678901234567890.10,\n  "u": "\\u00e9",\n  "n": 1\n}');
});

test("kinds of tokens", () => {
  const kinds = prettyJson('{"a":"b","c":-1e3,"d":null}')?.filter((t) => t.kind !== "space" && t.kind !== "mark").map((t) => `${t.kind} ${t.text}`);
  assert.deepEqual(kinds, ['key "a"', 'string "b"', 'key "c"', "number -1e3", 'key "d"', "word null"]);
});

test("what is no JSON stays as it is", () => {
  for (const text of ["", "<html>", '{"a":', "{'a':1}", "1 2", "NaN"]) {
    assert.equal(prettyJson(text), null);
    assert.equal(prettyText(text), text);
  }
  assert.equal(prettyJson(JSON.stringify("x".repeat(300_000))), null);
});
