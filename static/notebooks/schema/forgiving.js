/**
 * Keep words that a strict schema would throw away.
 *
 * Two people's changes may merge into something that neither made: bold in what has become code, a list item whose
 * paragraph is gone. The binding deletes such nodes, words and all. Here they are mended instead: forbidden marks are
 * taken off, what is missing is filled in, what does not fit is wrapped, or unpacked as far as it must be.
 */
import { Fragment } from "@tiptap/pm/model";

function allowed(type, node) {
  return node.mark(type.allowedMarks(node.marks));
}

/** Add a node where the match allows it; return the match after it, or null when there is no way. */
function fit(match, node, into) {
  const straight = match.matchType(node.type);
  if (straight) {
    into.push(node);
    return straight;
  }
  const wrapping = match.findWrapping(node.type);
  if (!wrapping?.length) return null;
  const wrapped = wrapping.reduceRight((inner, type) => type.create(null, inner), node);
  into.push(wrapped);
  return match.matchType(wrapped.type);
}

/** Fit nodes one after the other; one that has no place is replaced by what it holds. */
function fitAll(type, nodes) {
  const fitted = [];
  let match = type.contentMatch;
  const queue = [...nodes];
  while (queue.length) {
    const node = allowed(type, queue.shift());
    const next = fit(match, node, fitted);
    if (next) match = next;
    else if (!node.isLeaf) queue.unshift(...node.content.content);
  }
  const rest = match.fillBefore(Fragment.empty, true);
  return rest && Fragment.from(fitted).append(rest);
}

function mended(type, attrs, nodes, marks) {
  const bare = Fragment.from(nodes.map((node) => allowed(type, node)));
  if (type.validContent(bare)) return type.create(attrs, bare, marks);
  const filled = type.createAndFill(attrs, bare, marks);
  if (filled) return filled;
  const content = fitAll(type, nodes);
  return content && type.validContent(content) ? type.create(attrs, content, marks) : null;
}

/** Let a schema mend what it would refuse; nodes that hold nothing are still refused. */
export function forgiving(schema) {
  const strict = schema.node.bind(schema);
  schema.node = (name, attrs, content, marks) => {
    try {
      return strict(name, attrs, content, marks);
    } catch (refusal) {
      const type = typeof name === "string" ? schema.nodes[name] : name;
      const nodes = Fragment.from(content ?? []).content;
      const isWorthIt = type && (nodes.length || type.isInGroup("cell"));
      const node = isWorthIt ? mended(type, attrs, nodes, marks) : null;
      if (!node) throw refusal;
      return node;
    }
  };
}
