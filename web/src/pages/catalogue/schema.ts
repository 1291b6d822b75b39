/**
 * A JSON Schema as a tree of fields, in words. It knows what the server allows
 * (draft 2020-12 without outside references and without cycles), and shows
 * nothing wrong for what it does not know: it leaves that out.
 */
import { count, number } from "../../core/format.ts";
import type { JsonObject } from "../../core/types.ts";

export interface SchemaNode {
  /** "email"; what an array holds and alternatives have names in words. */
  readonly name: string;
  /** The name of a field, and not words. */
  readonly field: boolean;
  /** "text, or null". */
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
  /** The only values that it may have. */
  readonly values: readonly string[];
  readonly examples: readonly string[];
  /** "at most 200 characters". */
  readonly limits: readonly string[];
  readonly children: readonly SchemaNode[];
  /** Of an object: whether fields may come that are not listed. */
  readonly open: boolean | null;
}

const deepest = 12;
const eachItem = "each item";

/** The tree of a schema; null for one without parts: none and true allow any object, false allows nothing. */
export function schemaTree(schema: JsonObject | boolean | null): SchemaNode | null {
  return isObject(schema) ? node("", schema, false, schema, 0) : null;
}

/** How many fields a tree has, nested ones too. */
export function fieldCount(tree: SchemaNode): number {
  return tree.children.reduce((sum, child) => sum + (child.field ? 1 : 0) + fieldCount(child), 0);
}

function node(name: string, given: unknown, required: boolean, root: JsonObject, depth: number, field = true): SchemaNode {
  const schema = resolve(given, root, 0);
  const types = typesOf(schema);
  const all = depth >= deepest ? [] : childrenOf(schema, root, depth + 1);
  const inside = onlyItem(all);
  const children = inside?.children ?? all;
  const isObject = types.includes("object") || schema["properties"] !== undefined;
  return {
    name, field, required, children,
    type: given === false ? "not allowed" : typeWords(schema, types, root),
    description: text(schema["description"]),
    values: "const" in schema ? [json(schema["const"])] : list(schema["enum"]).map(json),
    examples: list(schema["examples"]).map(json),
    limits: limitsOf(schema),
    open: inside !== null ? inside.open : isObject ? schema["additionalProperties"] !== false && schema["unevaluatedProperties"] !== false : null,
  };
}

/** What a list holds, where that has nothing to tell but its fields: they are shown as the list's own. */
function onlyItem(children: readonly SchemaNode[]): SchemaNode | null {
  const [item, ...others] = children;
  if (item === undefined || others.length > 0 || item.field || item.name !== eachItem) return null;
  return item.children.length > 0 && item.description === "" && item.values.length + item.limits.length + item.examples.length === 0 ? item : null;
}

/** Follows references inside the schema, and merges what must all hold. */
function resolve(given: unknown, root: JsonObject, turns: number): JsonObject {
  if (!isObject(given)) return {};
  let schema: JsonObject = given;
  const ref = schema["$ref"];
  if (typeof ref === "string" && turns < deepest) {
    const { $ref: _, ...rest } = schema;
    schema = { ...resolve(pointed(ref, root), root, turns + 1), ...rest };
  }
  const all = list(schema["allOf"]);
  if (all.length === 0 || turns >= deepest) return schema;
  const { allOf: _, ...own } = schema;
  return [...all.map((part) => resolve(part, root, turns + 1)), own].reduce<JsonObject>(
    (sum, part) => ({
      ...sum, ...part,
      ...merged("properties", sum, part),
      ...(sum["required"] === undefined && part["required"] === undefined ? {} : { required: [...list(sum["required"]), ...list(part["required"])] }),
    }),
    {},
  );
}

function merged(name: string, a: JsonObject, b: JsonObject): JsonObject {
  return a[name] === undefined && b[name] === undefined ? {} : { [name]: { ...object(a[name]), ...object(b[name]) } };
}

/** What a JSON pointer such as "#/$defs/money" leads to. */
function pointed(ref: string, root: JsonObject): unknown {
  if (!ref.startsWith("#")) return {};
  return ref.slice(1).split("/").slice(1).reduce<unknown>((at, part) => {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    return isObject(at) || Array.isArray(at) ? (at as JsonObject)[key] : undefined;
  }, root);
}

function childrenOf(schema: JsonObject, root: JsonObject, depth: number): SchemaNode[] {
  const needed = new Set(list(schema["required"]));
  const fields = Object.entries(object(schema["properties"])).map(([name, part]) => node(name, part, needed.has(name), root, depth));
  const patterns = Object.entries(object(schema["patternProperties"])).map(([pattern, part]) => node(`names like ${pattern}`, part, false, root, depth, false));
  const extra = schema["additionalProperties"];
  const further = isObject(extra) && Object.keys(extra).length > 0 ? [node("every further field", extra, false, root, depth, false)] : [];
  const alternatives = [...list(schema["oneOf"]), ...list(schema["anyOf"])]
    .map((part, i) => node(`possibility ${i + 1}`, part, false, root, depth, false))
    .filter((part) => part.children.length > 0 || part.description !== "");
  return [...fields, ...patterns, ...further, ...alternatives, ...itemsOf(schema, root, depth)];
}

/** The fields of an array's items; plain items are told by the type already. */
function itemsOf(schema: JsonObject, root: JsonObject, depth: number): SchemaNode[] {
  const items = list(schema["prefixItems"]).map((part, i) => node(`item ${i + 1}`, part, false, root, depth, false));
  if (isObject(schema["items"])) {
    const each = node(eachItem, schema["items"], false, root, depth, false);
    if (each.children.length > 0 || each.description !== "" || each.values.length > 0) items.push(each);
  }
  return items;
}

const words: Readonly<Record<string, string>> = {
  string: "text", integer: "whole number", number: "number", boolean: "true or false", object: "object", array: "list", null: "null",
};
const formats: Readonly<Record<string, string>> = {
  "date-time": "date and time", date: "date", time: "time", email: "e-mail address", uri: "URL", "uri-reference": "URL", uuid: "UUID",
  ipv4: "IPv4 address", ipv6: "IPv6 address", hostname: "host name", duration: "duration",
};

function typesOf(schema: JsonObject): readonly string[] {
  const type = schema["type"];
  if (typeof type === "string") return [type];
  return list(type).filter((t): t is string => typeof t === "string");
}

function typeWords(schema: JsonObject, types: readonly string[], root: JsonObject): string {
  if (types.length === 0) return fromAlternatives(schema, root);
  const said = types.filter((t) => t !== "null").map((t) => {
    if (t === "string") return formats[text(schema["format"])] ?? "text";
    if (t === "array") return listWords(schema, root);
    return words[t] ?? t;
  });
  if (said.length === 0) return "null";
  return joined(said) + (types.includes("null") ? ", or null" : "");
}

function fromAlternatives(schema: JsonObject, root: JsonObject): string {
  const parts = [...list(schema["oneOf"]), ...list(schema["anyOf"])].map((part) => {
    const one = resolve(part, root, 0);
    return typeWords(one, typesOf(one), root);
  });
  if (parts.length > 0) return joined([...new Set(parts)]);
  if (schema["properties"] !== undefined) return "object";
  const values = "const" in schema ? [schema["const"]] : list(schema["enum"]);
  if (values.length > 0) return joined([...new Set(values.map((v) => words[v === null ? "null" : Array.isArray(v) ? "array" : typeof v] ?? "any value"))]);
  return "any value";
}

function listWords(schema: JsonObject, root: JsonObject): string {
  if (!isObject(schema["items"])) return "list";
  const item = resolve(schema["items"], root, 0);
  const types = typesOf(item);
  const of: Readonly<Record<string, string>> = { object: "objects", string: "texts", integer: "whole numbers", number: "numbers", boolean: "true or false", array: "lists" };
  const only = types.length === 1 ? of[types[0] ?? ""] : undefined;
  return only === undefined ? "list" : `list of ${only}`;
}

const joined = (parts: readonly string[]): string =>
  parts.length < 2 ? (parts[0] ?? "") : `${parts.slice(0, -1).join(", ")} or ${parts.at(-1) ?? ""}`;

function limitsOf(schema: JsonObject): string[] {
  const out: string[] = [];
  const bound = (name: string, say: (n: number) => string): void => {
    const value = schema[name];
    if (typeof value === "number") out.push(say(value));
  };
  bound("minLength", (n) => `at least ${count(n, "character")}`);
  bound("maxLength", (n) => `at most ${count(n, "character")}`);
  bound("minimum", (n) => `${number(n)} or more`);
  bound("exclusiveMinimum", (n) => `more than ${number(n)}`);
  bound("maximum", (n) => `${number(n)} or less`);
  bound("exclusiveMaximum", (n) => `less than ${number(n)}`);
  bound("multipleOf", (n) => `a multiple of ${number(n)}`);
  bound("minItems", (n) => `at least ${count(n, "item")}`);
  bound("maxItems", (n) => `at most ${count(n, "item")}`);
  bound("minProperties", (n) => `at least ${count(n, "field")}`);
  bound("maxProperties", (n) => `at most ${count(n, "field")}`);
  if (typeof schema["pattern"] === "string") out.push(`like ${schema["pattern"]}`);
  if (schema["uniqueItems"] === true) out.push("no item twice");
  if ("default" in schema) out.push(`${json(schema["default"])} unless it is sent`);
  const not = object(schema["not"])["description"];
  if (typeof not === "string") out.push(`refused: ${not}`);
  if (schema["deprecated"] === true) out.push("deprecated");
  return out;
}

const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);
const object = (value: unknown): JsonObject => (isObject(value) ? value : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const json = (value: unknown): string => JSON.stringify(value);
