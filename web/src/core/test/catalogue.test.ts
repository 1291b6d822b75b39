import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldCount, schemaTree, type SchemaNode } from "../../pages/catalogue/schema.ts";
import { otherNames, takes, typeFits } from "../../pages/catalogue/takers.ts";
import type { Endpoint, EventType, JsonObject } from "../types.ts";

function tree(schema: JsonObject): SchemaNode {
  const found = schemaTree(schema);
  assert.ok(found !== null);
  return found;
}

const field = (of: SchemaNode, name: string): SchemaNode => {
  const found = of.children.find((c) => c.name === name);
  assert.ok(found !== undefined, name);
  return found;
};

test("types are said in words", () => {
  const cases: readonly [JsonObject, string][] = [
    [{ type: "string" }, "text"],
    [{ type: ["string", "integer", "null"] }, "text or whole number, or null"],
    [{ type: "string", format: "date-time" }, "date and time"],
    [{ type: "array", items: { type: "string" } }, "list of texts"],
    [{ type: "array", items: { type: ["string", "null"] } }, "list"],
    [{ type: "null" }, "null"],
    [{}, "any value"],
    [{ anyOf: [{ type: "string" }, { type: "number" }, { type: "null" }] }, "text, number or null"],
    [{ properties: { a: true } }, "object"],
    [{ enum: ["EUR", null] }, "text or null"],
    [{ const: 2 }, "number"],
  ];
  for (const [schema, want] of cases) assert.equal(field(tree({ properties: { x: schema } }), "x").type, want, JSON.stringify(schema));
});

test("required, enums, limits, descriptions and examples are kept", () => {
  const root = tree({
    type: "object", required: ["id"], not: { description: "a lead without any value" },
    properties: {
      id: { type: "string", minLength: 1, maxLength: 40, description: "Its id." },
      currency: { enum: ["EUR", "USD"] }, version: { const: 2 }, why: { type: "string", examples: ["resolved"] },
    },
  });
  assert.deepEqual(root.limits, ["refused: a lead without any value"]);
  assert.equal(field(root, "id").required, true);
  assert.equal(field(root, "currency").required, false);
  assert.equal(field(root, "id").description, "Its id.");
  assert.deepEqual(field(root, "id").limits, ["at least 1 character", "at most 40 characters"]);
  assert.deepEqual(field(root, "currency").values, ['"EUR"', '"USD"']);
  assert.deepEqual(field(root, "version").values, ["2"]);
  assert.deepEqual(field(root, "why").examples, ['"resolved"']);
});

test("objects say whether further fields may come", () => {
  assert.equal(tree({ type: "object" }).open, true);
  assert.equal(tree({ type: "object", additionalProperties: false }).open, false);
  assert.equal(tree({ type: "string" }).open, null);
  const typed = tree({ type: "object", additionalProperties: { type: "number" } });
  assert.equal(typed.open, true);
  assert.equal(field(typed, "every further field").type, "number");
});

test("lists show the fields of their items as their own", () => {
  const lines = field(tree({ properties: { lines: { type: "array", items: { type: "object", required: ["sku"], additionalProperties: false, properties: { sku: { type: "string" } } } } } }), "lines");
  assert.equal(lines.type, "list of objects");
  assert.equal(lines.open, false);
  assert.equal(field(lines, "sku").required, true);
  const described = field(tree({ properties: { lines: { type: "array", items: { type: "string", description: "A line." } } } }), "lines");
  assert.equal(field(described, "each item").description, "A line.");
});

test("references and allOf are followed, also where they never end", () => {
  const root = tree({
    type: "object",
    properties: { home: { $ref: "#/$defs/address", description: "Where it goes." }, both: { allOf: [{ $ref: "#/$defs/address" }, { properties: { floor: { type: "integer" } }, required: ["floor"] }] } },
    $defs: { address: { type: "object", required: ["city"], properties: { city: { type: "string" }, "a/b": { type: "string" } } }, "x/y": { type: "string" } },
  });
  assert.equal(field(root, "home").description, "Where it goes.");
  assert.equal(field(field(root, "home"), "city").required, true);
  assert.deepEqual(field(root, "both").children.map((c) => [c.name, c.required]), [["city", true], ["a/b", false], ["floor", true]]);
  assert.equal(field(tree({ properties: { s: { $ref: "#/$defs/x~1y" } }, $defs: { "x/y": { type: "string" } } }), "s").type, "text");
  const endless = tree({ type: "object", properties: { next: { $ref: "#" } } });
  assert.ok(fieldCount(endless) < 50);
  assert.equal(field(tree({ properties: { lost: { $ref: "#/$defs/none" } } }), "lost").type, "any value");
});

test("true, false and no schema have no tree, and false as a field is told", () => {
  for (const schema of [null, true, false]) assert.equal(schemaTree(schema), null);
  const root = tree({ properties: { any: true, none: false } });
  assert.deepEqual(root.children.map((c) => c.type), ["any value", "not allowed"]);
});

const type = { name: "lead.submit", alias: "lead_collection", description: "A customer filled in a lead form." } as EventType;

test("a webhook takes a type by name, alias or all", () => {
  for (const [events, want] of [[["*"], true], [["lead.submit"], true], [["lead_collection"], true], [["message.sent"], false], [[], false]] as const) {
    assert.equal(takes({ events } as unknown as Endpoint, type), want, String(events));
  }
});

test("a search finds all words in names and sentence", () => {
  assert.deepEqual(otherNames(type, [{ event_names: { "lead.submit": "lead_collection" } }, { event_names: { "lead.submit": "NewLead" } }, { event_names: {} }]), ["lead_collection", "NewLead"]);
  assert.equal(typeFits(type, ["NewLead"], "FORM lead"), true);
  assert.equal(typeFits(type, ["NewLead"], "newlead"), true);
  assert.equal(typeFits(type, [], "lead message"), false);
  assert.equal(typeFits(type, [], ""), true);
});
