export type DagNode = { key: string; depends_on: string[] };
export type Layered<T extends DagNode> = T[][];

/**
 * Puts each task in the first layer after all it depends on, keeping the given order inside a layer.
 * Unknown parents are ignored; a cycle (which the server refuses) ends up in the last layer rather than in a loop.
 */
export function layer<T extends DagNode>(nodes: T[]): Layered<T> {
  const known = new Set(nodes.map((node) => node.key));
  const placed = new Set<string>();
  const layers: Layered<T> = [];
  let left = nodes;
  while (left.length > 0) {
    const ready = left.filter((node) => node.depends_on.every((key) => placed.has(key) || !known.has(key)));
    const next = ready.length > 0 ? ready : left;
    layers.push(next);
    for (const node of next) placed.add(node.key);
    left = left.filter((node) => !placed.has(node.key));
  }
  return layers;
}

export type Placed<T extends DagNode> = { node: T; x: number; y: number };
export type Edge = { from: string; to: string; path: string };
export type Layout<T extends DagNode> = { width: number; height: number; placed: Placed<T>[]; edges: Edge[] };
export type Box = { width: number; height: number; gapX: number; gapY: number };

/** Lays the layers out from left to right, each centred, and draws one curve per dependency. */
export function layout<T extends DagNode>(nodes: T[], box: Box): Layout<T> {
  return layoutLayers(layer(nodes), box);
}

/** The same for layers that are given. */
export function layoutLayers<T extends DagNode>(layers: Layered<T>, box: Box): Layout<T> {
  const tallest = Math.max(1, ...layers.map((nodesInLayer) => nodesInLayer.length));
  const height = tallest * box.height + (tallest - 1) * box.gapY;
  const placed = layers.flatMap((inLayer, column) => placeLayer(inLayer, column, height, box));
  const at = new Map(placed.map((item) => [item.node.key, item]));
  const edges = placed.flatMap((to) =>
    to.node.depends_on.flatMap((key) => {
      const from = at.get(key);
      return from ? [{ from: key, to: to.node.key, path: curve(from, to, box) }] : [];
    }),
  );
  const width = layers.length * box.width + Math.max(0, layers.length - 1) * box.gapX;
  return { width, height, placed, edges };
}

function placeLayer<T extends DagNode>(nodes: T[], column: number, height: number, box: Box): Placed<T>[] {
  const used = nodes.length * box.height + (nodes.length - 1) * box.gapY;
  const top = (height - used) / 2;
  return nodes.map((node, row) => ({
    node,
    x: column * (box.width + box.gapX),
    y: top + row * (box.height + box.gapY),
  }));
}

function curve(from: { x: number; y: number }, to: { x: number; y: number }, box: Box): string {
  const [x1, y1] = [from.x + box.width, from.y + box.height / 2];
  const [x2, y2] = [to.x, to.y + box.height / 2];
  const middle = (x1 + x2) / 2;
  return `M ${x1} ${y1} C ${middle} ${y1}, ${middle} ${y2}, ${x2} ${y2}`;
}
