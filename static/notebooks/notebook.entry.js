/** The page of a notebook. */
import "./editor/notebookEditor.js";
