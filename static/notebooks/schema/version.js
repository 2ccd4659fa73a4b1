/** Of the document's node types. Raise it with every change of this folder, here and in apps/notebooks/models/documents.py. */
export const SCHEMA_VERSION = 2;
