/** All components, for pages: `import { Button, Page } from "../../ui/index.ts"`. */
export * from "./button.tsx";
export * from "./chart.tsx";
export * from "./classes.ts";
export * from "./code.tsx";
export * from "./dialog.tsx";
export * from "./feedback.tsx";
export * from "./field.tsx";
export * from "./filters.tsx";
export * from "./icon.tsx";
export type { IconName } from "./icons.ts";
export * from "./menu.tsx";
export * from "./page.tsx";
export * from "./sparkline.tsx";
export * from "./table.tsx";
export * from "./text.tsx";
export * from "./timeline.tsx";
export * from "./virtual.tsx";
