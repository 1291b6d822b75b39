/** Runs before the first paint, so that a chosen theme does not flash. */
try {
  const theme = localStorage.getItem("waybell.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;
} catch {
  // A frame without storage: its host says which theme.
}
