/**
 * Tables. ProseMirror repairs rows of unequal length after every change. In a shared document each browser would
 * repair what the others wrote, all at once, and the table would grow without end; so only a browser's own changes
 * are repaired, and a merged table with a short row simply stands until somebody edits it.
 */
import { isChangeOrigin } from "@tiptap/extension-collaboration";
import { Table as BaseTable, TableCell, TableHeader, TableRow } from "@tiptap/extension-table";

function onlyForOwnChanges(plugin) {
  const repair = plugin.spec.appendTransaction;
  if (!repair) return plugin;
  plugin.spec.appendTransaction = function appendTransaction(transactions, before, after) {
    if (transactions.some(isChangeOrigin)) return null;
    return repair.call(this, transactions, before, after);
  };
  return plugin;
}

const Table = BaseTable.extend({
  addProseMirrorPlugins() {
    return this.parent().map(onlyForOwnChanges);
  },
}).configure({ resizable: true, cellMinWidth: 64, allowTableNodeSelection: true, renderWrapper: true });

export const tables = [Table, TableRow, TableHeader, TableCell];
