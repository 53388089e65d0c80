/**
 * Holds src/ to the layer table. Reads each file with a real parser, since a regular expression would take
 * an import in a comment for one, and miss `export … from` and `import('…')`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { parseSync } from 'oxc-parser';
import { clockFile, layers, nodeFreeEntries } from './layers.mjs';

/** @typedef {{ file: string, line: number, rule: string, text: string }} Violation */
/** @typedef {{ specifier: string, offset: number }} Import */

const nodeGlobals = new Set([
  'Buffer',
  'NodeJS',
  '__dirname',
  '__filename',
  'global',
  'process',
  'require',
  'clearImmediate',
  'clearInterval',
  'clearTimeout',
  'setImmediate',
  'setInterval',
  'setTimeout',
]);
const mightUseGlobals = new RegExp(`\\b(?:${[...nodeGlobals].join('|')})\\b`);
const mightReadClock = /\bDate\b|\bperformance\b|\bMath\s*\.\s*random\b|\bgetRandomValues\b|\brandomUUID\b/;

const byLength = [...layers].sort((a, b) => b.room.length - a.room.length);

/** @param {string} file path under src/ with forward slashes */
function roomOf(file) {
  return byLength.find(({ room }) => file.startsWith(`${room}/`));
}

/** @param {string} directory @returns {string[]} */
function sourceFiles(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/**
 * @param {any} node an ESTree node, or anything inside one
 * @param {(node: any, parent: any, key: string) => void} visit
 * @param {any} [parent]
 * @param {string} [key]
 */
function walk(node, visit, parent, key = '') {
  if (Array.isArray(node)) {
    for (const item of node) walk(item, visit, parent, key);
  } else if (node !== null && typeof node === 'object' && typeof node.type === 'string') {
    visit(node, parent, key);
    for (const name of Object.keys(node)) {
      if (typeof node[name] === 'object') walk(node[name], visit, node, name);
    }
  }
}

/** Names that the file binds itself, anywhere: a parameter called `process` is not Node's. @param {any} program */
function boundNames(program) {
  const names = new Set();
  /** @param {any} pattern */
  const bind = (pattern) => {
    if (!pattern) return;
    if (pattern.type === 'Identifier') names.add(pattern.name);
    else if (pattern.type === 'AssignmentPattern') bind(pattern.left);
    else if (pattern.type === 'RestElement') bind(pattern.argument);
    else if (pattern.type === 'ArrayPattern') pattern.elements.forEach(bind);
    else if (pattern.type === 'ObjectPattern') {
      for (const property of pattern.properties) bind(property.value ?? property);
    }
  };
  walk(program, (node) => {
    if (node.type === 'VariableDeclarator') bind(node.id);
    else if (/^(Function|Class)/.test(node.type) || /^(ArrowFunction|TSDeclareFunction)/.test(node.type)) {
      bind(node.id);
      for (const parameter of node.params ?? []) bind(parameter);
    } else if (/^Import.*Specifier$/.test(node.type)) bind(node.local);
    else if (/^TS(TypeAlias|Interface)Declaration$/.test(node.type)) bind(node.id);
    else if (node.type === 'CatchClause') bind(node.param);
  });
  return names;
}

/** Whether an Identifier node stands for a variable or a type, and not for a key or a member's name. */
function isReference(/** @type {any} */ parent, /** @type {string} */ key) {
  if (!parent) return true;
  if (key === 'property' && parent.type === 'MemberExpression') return parent.computed;
  if (key === 'key') return parent.computed === true;
  if (key === 'right' && parent.type === 'TSQualifiedName') return false;
  if (key === 'label' && /^(Labeled|Break|Continue)/.test(parent.type)) return false;
  if (/^(Import|Export).*Specifier$/.test(parent.type))
    return key === 'local' && parent.type.startsWith('Export');
  return key !== 'id' && key !== 'params';
}

/** @param {any} node @param {string} object @param {string[]} members */
function isMember(node, object, members) {
  return (
    node.type === 'MemberExpression' &&
    node.object.type === 'Identifier' &&
    node.object.name === object &&
    node.property.type === 'Identifier' &&
    members.includes(node.property.name)
  );
}

/** @param {string} root a folder that has `src/` @returns {Violation[]} */
export function checkBoundaries(root) {
  const src = resolve(root, 'src');
  /** @type {Violation[]} */
  const violations = [];
  /** @type {Map<string, { target: string, line: number }[]>} */
  const graph = new Map();

  for (const path of sourceFiles(src)) {
    const file = relative(src, path).split(sep).join('/');
    if (/\.test\.[cm]?[jt]sx?$/.test(file)) continue;
    const source = readFileSync(path, 'utf8');
    const lineAt = (/** @type {number} */ offset) => source.slice(0, offset).split('\n').length;
    const report = (/** @type {number} */ offset, /** @type {string} */ rule, /** @type {string} */ text) =>
      violations.push({ file: `src/${file}`, line: lineAt(offset), rule, text });

    const row = roomOf(file);
    if (!row) {
      report(0, 'room', 'lies in no room of the layer table (scripts/lib/layers.mjs)');
      continue;
    }
    const parsed = parseSync(path, source);
    const [failure] = parsed.errors;
    if (failure) {
      report(failure.labels[0]?.start ?? 0, 'syntax', failure.message);
      continue;
    }

    /** @type {Import[]} */
    const imports = [];
    for (const { moduleRequest } of parsed.module.staticImports) {
      imports.push({ specifier: moduleRequest.value, offset: moduleRequest.start });
    }
    for (const { entries } of parsed.module.staticExports) {
      for (const { moduleRequest } of entries) {
        // `import { x }` and then `export { x }` is one import, which both lists name.
        if (moduleRequest && !imports.some(({ offset }) => offset === moduleRequest.start)) {
          imports.push({ specifier: moduleRequest.value, offset: moduleRequest.start });
        }
      }
    }
    for (const { moduleRequest } of parsed.module.dynamicImports) {
      const literal = /^(['"`])([^'"`$]*)\1$/.exec(source.slice(moduleRequest.start, moduleRequest.end));
      if (literal) imports.push({ specifier: literal[2] ?? '', offset: moduleRequest.start });
      else
        report(moduleRequest.start, 'import', 'import() of something other than a literal cannot be checked');
    }
    const reference = /^\s*\/\/\/\s*<reference\s/m.exec(source);
    if (reference && !row.node)
      report(reference.index, 'node', 'a reference directive brings types in unseen');

    const touchesGlobals = !row.node && mightUseGlobals.test(source);
    const touchesClock = file !== clockFile && mightReadClock.test(source);
    if (touchesGlobals || touchesClock || source.includes('import(')) {
      const bound = boundNames(parsed.program);
      walk(parsed.program, (node, parent, key) => {
        if (node.type === 'TSImportType' && typeof node.source?.value === 'string') {
          imports.push({ specifier: node.source.value, offset: node.start });
        }
        if (
          touchesGlobals &&
          node.type === 'Identifier' &&
          nodeGlobals.has(node.name) &&
          !bound.has(node.name) &&
          isReference(parent, key)
        ) {
          report(node.start, 'node', `uses the global ${node.name}; ${row.room}/ must run without Node`);
        }
        if (
          !row.node &&
          node.type === 'MemberExpression' &&
          node.object.type === 'Identifier' &&
          node.object.name === 'globalThis' &&
          nodeGlobals.has(node.property.name ?? node.property.value)
        ) {
          report(node.start, 'node', `uses a global of Node's; ${row.room}/ must run without Node`);
        }
        if (!touchesClock) return;
        const bareDate =
          /^(New|Call)Expression$/.test(node.type) &&
          node.callee.type === 'Identifier' &&
          node.callee.name === 'Date' &&
          node.arguments.length === 0;
        if (
          bareDate ||
          isMember(node, 'Date', ['now']) ||
          isMember(node, 'performance', ['now', 'timeOrigin'])
        ) {
          report(node.start, 'clock', `reads the clock; only src/${clockFile} may: take a Clock`);
        }
        if (isMember(node, 'process', ['hrtime', 'uptime'])) {
          report(node.start, 'clock', `reads the clock; only src/${clockFile} may: take a Clock`);
        }
        if (isMember(node, 'Math', ['random'])) {
          report(node.start, 'random', "Math.random is no source of randomness; use the provider's");
        }
        if (
          isMember(node, 'crypto', ['getRandomValues', 'randomUUID']) &&
          !bound.has('crypto') &&
          !row.room.startsWith('crypto/')
        ) {
          report(node.start, 'random', 'randomness comes from the crypto provider');
        }
      });
    }

    const edges = [];
    for (const { specifier, offset } of imports) {
      if (specifier.startsWith('node:')) {
        if (!row.node) report(offset, 'node', `imports ${specifier}; ${row.room}/ must run without Node`);
        continue;
      }
      if (!specifier.startsWith('.')) {
        const name = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        if (!row.packages?.includes(name)) {
          report(
            offset,
            'package',
            `imports the package ${name}, which the layer table does not give ${row.room}/`,
          );
        }
        continue;
      }
      const absolute = resolve(dirname(path), specifier);
      const target = relative(src, absolute).split(sep).join('/');
      if (target.startsWith('..')) {
        report(offset, 'outside', `imports ${specifier}, which lies outside src/`);
        continue;
      }
      if (/\.test\.[cm]?[jt]sx?$/.test(target)) {
        report(offset, 'outside', `imports the test ${specifier}`);
        continue;
      }
      if (!existsSync(absolute)) {
        report(offset, 'import', `imports ${specifier}, which is not there`);
        continue;
      }
      edges.push({ target, line: lineAt(offset) });
      const other = roomOf(target);
      if (!other || other === row) continue;
      if (layers.indexOf(other) > layers.indexOf(row)) {
        report(
          offset,
          'layer',
          `${row.room}/ imports from ${other.room}/, a layer above it: a cycle in the making`,
        );
      } else if (row.only && !row.only.includes(other.room)) {
        report(
          offset,
          'layer',
          `${row.room}/ imports from ${other.room}/; it may import only ${row.only.join(', ')}`,
        );
      } else if (other.importedBy && !other.importedBy.includes(row.room)) {
        report(offset, 'layer', `${other.room}/ may be imported only by ${other.importedBy.join(', ')}`);
      }
    }
    graph.set(file, edges);
  }

  for (const entry of nodeFreeEntries) violations.push(...nodeReachedFrom(`entry/${entry}.ts`, graph));
  return violations;
}

/**
 * A room without `node` may not import one with it, but an entry may: this follows the entry's whole graph.
 *
 * @param {string} entry
 * @param {Map<string, { target: string, line: number }[]>} graph
 * @returns {Violation[]}
 */
function nodeReachedFrom(entry, graph) {
  const parents = new Map([[entry, '']]);
  for (const file of parents.keys()) {
    for (const { target } of graph.get(file) ?? []) {
      if (!parents.has(target)) parents.set(target, file);
    }
    if (roomOf(file)?.node) {
      const trail = [];
      for (let step = file; step; step = parents.get(step) ?? '') trail.unshift(step);
      return [
        {
          file: `src/${entry}`,
          line: 1,
          rule: 'node',
          text: `must load without Node, but: ${trail.join(' → ')}`,
        },
      ];
    }
  }
  return [];
}
