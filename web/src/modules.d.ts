/** The text of a file, put into the bundle as it is: see build/main.go. */
declare module "*?raw" {
  const text: string;
  export default text;
}

/** Icons are imported one by one from their own files, which come untyped. */
declare module "lucide/dist/esm/icons/*.mjs" {
  const icon: readonly (readonly [tag: string, attributes: Readonly<Record<string, string | number>>])[];
  export default icon;
}
