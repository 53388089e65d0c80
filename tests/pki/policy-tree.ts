/**
 * RFC 5280, 6.1, its policy part word for word, with the tree that it describes: slow, and an oracle for the
 * graph in src/pki/policies.ts. Numbers of steps are the RFC's.
 */
export const ANY = 'any';

export interface PolicyCertificate {
  readonly selfIssued: boolean;
  /** Null: no such extension. */
  readonly policies: readonly string[] | null;
  readonly mappings: readonly (readonly [from: string, to: string])[];
  readonly requireExplicit: number | null;
  readonly inhibitMapping: number | null;
  readonly inhibitAny: number | null;
}

export interface PolicyInputs {
  /** Null: any-policy. */
  readonly acceptable: readonly string[] | null;
  readonly requireExplicit: boolean;
  readonly inhibitMapping: boolean;
  readonly inhibitAny: boolean;
}

class Node {
  policy: string;
  expected: Set<string>;
  readonly children: Node[] = [];

  constructor(policy: string, expected: Iterable<string>) {
    this.policy = policy;
    this.expected = new Set(expected);
  }
}

/** Whether the path, anchor's side first, is valid as far as policies go. */
export function policyTreeAccepts(path: readonly PolicyCertificate[], inputs: PolicyInputs): boolean {
  const n = path.length;
  // 6.1.2.
  let tree: Node | null = new Node(ANY, [ANY]);
  let explicit = inputs.requireExplicit ? 0 : n + 1;
  let inhibitAny = inputs.inhibitAny ? 0 : n + 1;
  let mapping = inputs.inhibitMapping ? 0 : n + 1;

  const at = (depth: number): Node[] => {
    let level = tree === null ? [] : [tree];
    for (let i = 0; i < depth; i++) level = level.flatMap(({ children }) => children);
    return level;
  };
  /** Removes nodes without children above `depth`, and the tree with the last of them. */
  const prune = (depth: number): void => {
    const keep = (node: Node, level: number): boolean => {
      if (level === depth) return true;
      const kept = node.children.filter((child) => keep(child, level + 1));
      node.children.splice(0, node.children.length, ...kept);
      return kept.length > 0;
    };
    if (tree !== null && !keep(tree, 0)) tree = null;
  };

  for (let i = 1; i <= n; i++) {
    const certificate = path[i - 1] as PolicyCertificate;
    // 6.1.3 (d).
    if (certificate.policies !== null && tree !== null) {
      for (const policy of certificate.policies) {
        if (policy === ANY) continue;
        const matching = at(i - 1).filter((node) => node.expected.has(policy));
        for (const node of matching) node.children.push(new Node(policy, [policy]));
        if (matching.length === 0) {
          const any = at(i - 1).find((node) => node.policy === ANY);
          any?.children.push(new Node(policy, [policy]));
        }
      }
      if (certificate.policies.includes(ANY) && (inhibitAny > 0 || (i < n && certificate.selfIssued))) {
        for (const node of at(i - 1)) {
          for (const policy of node.expected) {
            if (!node.children.some((child) => child.policy === policy)) {
              node.children.push(new Node(policy, [policy]));
            }
          }
        }
      }
      prune(i);
    }
    // (e), (f).
    if (certificate.policies === null) tree = null;
    if (explicit === 0 && tree === null) return false;
    if (i === n) break;
    // 6.1.4 (a) is about malformed mappings; (b).
    const sources = [...new Set(certificate.mappings.map(([from]) => from))];
    for (const source of sources) {
      const targets = certificate.mappings.filter(([from]) => from === source).map(([, to]) => to);
      const nodes = at(i).filter((node) => node.policy === source);
      if (mapping > 0) {
        for (const node of nodes) node.expected = new Set(targets);
        if (nodes.length === 0 && at(i).some((node) => node.policy === ANY)) {
          const parent = at(i - 1).find((node) => node.policy === ANY);
          parent?.children.push(new Node(source, targets));
        }
      } else if (nodes.length > 0) {
        for (const parent of at(i - 1)) {
          const kept = parent.children.filter((child) => child.policy !== source);
          parent.children.splice(0, parent.children.length, ...kept);
        }
        prune(i);
      }
    }
    // (h), (i), (j).
    if (!certificate.selfIssued) {
      if (explicit > 0) explicit--;
      if (mapping > 0) mapping--;
      if (inhibitAny > 0) inhibitAny--;
    }
    if (certificate.requireExplicit !== null) explicit = Math.min(explicit, certificate.requireExplicit);
    if (certificate.inhibitMapping !== null) mapping = Math.min(mapping, certificate.inhibitMapping);
    if (certificate.inhibitAny !== null) inhibitAny = Math.min(inhibitAny, certificate.inhibitAny);
  }

  // 6.1.5 (a), (b), (g).
  if (explicit > 0) explicit--;
  if (path[n - 1]?.requireExplicit === 0) explicit = 0;
  if (tree !== null && inputs.acceptable !== null) {
    const wanted = new Set(inputs.acceptable);
    // (iii) 1, 2: the nodes whose parent is anyPolicy, without those that nobody wants.
    const roots: Node[] = [];
    const visit = (node: Node): void => {
      if (node.policy !== ANY) return;
      node.children.splice(
        0,
        node.children.length,
        ...node.children.filter((child) => child.policy === ANY || wanted.has(child.policy)),
      );
      roots.push(...node.children);
      for (const child of node.children) visit(child);
    };
    visit(tree);
    // 3: a final anyPolicy becomes the wanted policies that are not there yet.
    const last = at(n).find((node) => node.policy === ANY);
    if (last !== undefined) {
      const parent = at(n - 1).find((node) => node.policy === ANY);
      for (const policy of wanted) {
        if (!roots.some((node) => node.policy === policy)) parent?.children.push(new Node(policy, [policy]));
      }
      parent?.children.splice(parent.children.indexOf(last), 1);
    }
    prune(n);
  }
  return explicit > 0 || tree !== null;
}
