/** The icons, imported one by one: only these are in the bundle. Lucide, ISC licence. */
import addIcon from "lucide/dist/esm/icons/plus.mjs";
import agentsIcon from "lucide/dist/esm/icons/users.mjs";
import autoIcon from "lucide/dist/esm/icons/sun-moon.mjs";
import backIcon from "lucide/dist/esm/icons/arrow-left.mjs";
import bellIcon from "lucide/dist/esm/icons/bell.mjs";
import busyIcon from "lucide/dist/esm/icons/loader-circle.mjs";
import canceledIcon from "lucide/dist/esm/icons/circle-slash.mjs";
import checkIcon from "lucide/dist/esm/icons/check.mjs";
import clockIcon from "lucide/dist/esm/icons/clock.mjs";
import closeIcon from "lucide/dist/esm/icons/x.mjs";
import codeIcon from "lucide/dist/esm/icons/code-xml.mjs";
import copyIcon from "lucide/dist/esm/icons/copy.mjs";
import darkIcon from "lucide/dist/esm/icons/moon.mjs";
import deleteIcon from "lucide/dist/esm/icons/trash.mjs";
import deliveriesIcon from "lucide/dist/esm/icons/send.mjs";
import downIcon from "lucide/dist/esm/icons/chevron-down.mjs";
import downloadIcon from "lucide/dist/esm/icons/download.mjs";
import editIcon from "lucide/dist/esm/icons/pencil.mjs";
import eventsIcon from "lucide/dist/esm/icons/book-open.mjs";
import externalIcon from "lucide/dist/esm/icons/external-link.mjs";
import failedIcon from "lucide/dist/esm/icons/circle-x.mjs";
import filterIcon from "lucide/dist/esm/icons/funnel.mjs";
import forwardIcon from "lucide/dist/esm/icons/arrow-right.mjs";
import hideIcon from "lucide/dist/esm/icons/eye-off.mjs";
import inboxIcon from "lucide/dist/esm/icons/inbox.mjs";
import infoIcon from "lucide/dist/esm/icons/info.mjs";
import keyIcon from "lucide/dist/esm/icons/key-round.mjs";
import keyboardIcon from "lucide/dist/esm/icons/keyboard.mjs";
import leftIcon from "lucide/dist/esm/icons/chevron-left.mjs";
import lightIcon from "lucide/dist/esm/icons/sun.mjs";
import linkIcon from "lucide/dist/esm/icons/link.mjs";
import listIcon from "lucide/dist/esm/icons/list.mjs";
import liveIcon from "lucide/dist/esm/icons/activity.mjs";
import lockIcon from "lucide/dist/esm/icons/lock.mjs";
import menuIcon from "lucide/dist/esm/icons/menu.mjs";
import moreIcon from "lucide/dist/esm/icons/ellipsis.mjs";
import okIcon from "lucide/dist/esm/icons/circle-check.mjs";
import overviewIcon from "lucide/dist/esm/icons/layout-dashboard.mjs";
import paletteIcon from "lucide/dist/esm/icons/palette.mjs";
import pauseIcon from "lucide/dist/esm/icons/circle-pause.mjs";
import playIcon from "lucide/dist/esm/icons/play.mjs";
import questionIcon from "lucide/dist/esm/icons/circle-question-mark.mjs";
import resendIcon from "lucide/dist/esm/icons/rotate-ccw.mjs";
import retryIcon from "lucide/dist/esm/icons/refresh-cw.mjs";
import rightIcon from "lucide/dist/esm/icons/chevron-right.mjs";
import searchIcon from "lucide/dist/esm/icons/search.mjs";
import settingsIcon from "lucide/dist/esm/icons/settings.mjs";
import showIcon from "lucide/dist/esm/icons/eye.mjs";
import signOutIcon from "lucide/dist/esm/icons/log-out.mjs";
import stoppedIcon from "lucide/dist/esm/icons/octagon-x.mjs";
import systemIcon from "lucide/dist/esm/icons/server.mjs";
import testIcon from "lucide/dist/esm/icons/flask-conical.mjs";
import timerIcon from "lucide/dist/esm/icons/timer.mjs";
import unpluggedIcon from "lucide/dist/esm/icons/unplug.mjs";
import unsignedIcon from "lucide/dist/esm/icons/shield.mjs";
import upIcon from "lucide/dist/esm/icons/chevron-up.mjs";
import verifiedIcon from "lucide/dist/esm/icons/shield-check.mjs";
import warningIcon from "lucide/dist/esm/icons/triangle-alert.mjs";
import webhookIcon from "lucide/dist/esm/icons/webhook.mjs";
import wrapIcon from "lucide/dist/esm/icons/text-wrap.mjs";

export const icons = {
  add: addIcon,
  agents: agentsIcon,
  auto: autoIcon,
  back: backIcon,
  bell: bellIcon,
  busy: busyIcon,
  canceled: canceledIcon,
  check: checkIcon,
  clock: clockIcon,
  close: closeIcon,
  code: codeIcon,
  copy: copyIcon,
  dark: darkIcon,
  delete: deleteIcon,
  deliveries: deliveriesIcon,
  down: downIcon,
  download: downloadIcon,
  edit: editIcon,
  events: eventsIcon,
  external: externalIcon,
  failed: failedIcon,
  filter: filterIcon,
  forward: forwardIcon,
  hide: hideIcon,
  inbox: inboxIcon,
  info: infoIcon,
  key: keyIcon,
  keyboard: keyboardIcon,
  left: leftIcon,
  light: lightIcon,
  link: linkIcon,
  list: listIcon,
  live: liveIcon,
  lock: lockIcon,
  menu: menuIcon,
  more: moreIcon,
  ok: okIcon,
  overview: overviewIcon,
  palette: paletteIcon,
  pause: pauseIcon,
  play: playIcon,
  question: questionIcon,
  resend: resendIcon,
  retry: retryIcon,
  right: rightIcon,
  search: searchIcon,
  settings: settingsIcon,
  show: showIcon,
  signOut: signOutIcon,
  stopped: stoppedIcon,
  system: systemIcon,
  test: testIcon,
  timer: timerIcon,
  unplugged: unpluggedIcon,
  unsigned: unsignedIcon,
  up: upIcon,
  verified: verifiedIcon,
  warning: warningIcon,
  webhook: webhookIcon,
  wrap: wrapIcon,
} as const;

export type IconName = keyof typeof icons;
