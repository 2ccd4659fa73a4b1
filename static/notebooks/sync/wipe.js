/** Leave nothing of a person's notebooks on this device. */
import { forgetPages } from "./offline.js";
import { unsentChanges, wipeStores } from "./store.js";

export { unsentChanges };

/** Delete every copy and every kept page; with `exceptOf` those of one person stay. */
export async function wipeAll({ exceptOf = null } = {}) {
  await Promise.all([wipeStores({ exceptOf }), forgetPages()]);
}
