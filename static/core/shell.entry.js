/** What every page needs: theme, rail, menus, dialogs, toasts and the way htmx answers. */
import { startCopy } from "./copy.js";
import { startConfirmations, startDialogs } from "./dialogs.js";
import { startForms } from "./forms.js";
import { startHtmx } from "./htmx.js";
import { startMenus } from "./menus.js";
import { startRail } from "./rail.js";
import { startTheme } from "./theme.js";
import { startToasts } from "./toasts.js";

startTheme();
startRail();
startMenus();
startDialogs();
startConfirmations();
startToasts();
startCopy();
startHtmx();
startForms();
