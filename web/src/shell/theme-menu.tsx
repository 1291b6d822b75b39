import { showTheme, theme, themes } from "../core/preference.ts";
import type { Theme } from "../core/types-server.ts";
import { Icon } from "../ui/icon.tsx";
import { Menu } from "../ui/menu.tsx";

const words: Readonly<Record<Theme, string>> = { auto: "Like the system", light: "Light", dark: "Dark" };

export function ThemeMenu() {
  const now = theme.value;
  const choose = (value: Theme): void => {
    theme.value = value;
    showTheme(value);
  };
  return (
    <Menu label={`Theme: ${words[now]}`} buttonClass="btn btn-quiet btn-icon" items={themes.map((value) => ({ label: words[value], icon: value, checked: value === now, onSelect: () => choose(value) }))}>
      <Icon name={now} />
    </Menu>
  );
}
