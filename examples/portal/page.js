const portal = document.querySelector("waybell-portal");
const status = document.getElementById("status");

portal.addEventListener("waybell-ready", () => {
  status.hidden = true;
});
portal.addEventListener("waybell-error", (event) => {
  status.hidden = false;
  status.textContent = `Your webhooks cannot be shown now: ${event.detail.message}.`;
});
