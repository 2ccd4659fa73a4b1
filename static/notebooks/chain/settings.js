/**
 * What a person sets for a prompt cell, as its node keeps it: each in an attribute of its own, as JSON, so that two
 * people who set two of them both have their way. Cells of before have all of them as one object in `params`.
 * apps/notebooks/chain/cells.py reads the same.
 */
const USUAL = { length: "medium", adventurous: 2, variants: 1, required: [], banned: [], limit: null };

function parsed(written) {
  try {
    return JSON.parse(written);
  } catch {
    return null;
  }
}

function together(params) {
  const values = parsed(params);
  return values && typeof values === "object" ? values : {};
}

/** Return all settings of a prompt cell's attributes. */
export function settingsOf(attrs) {
  const before = together(attrs.params);
  const set = (name) => (attrs[name] === null ? before[name] : parsed(attrs[name]));
  return Object.fromEntries(Object.entries(USUAL).map(([name, usual]) => [name, set(name) ?? usual]));
}

/** Return the attributes that change when one setting does; a value that it had before stands nowhere else. */
export function withSetting(attrs, name, value) {
  const { [name]: _before, ...others } = together(attrs.params);
  const params = Object.keys(others).length ? JSON.stringify(others) : null;
  return { params, [name]: JSON.stringify(value) };
}
