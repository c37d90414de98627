import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';

// Turns the package's source into a form in which a scheduler can stop it at every access to shared memory: each function that makes such an
// access, directly or through another function, becomes a generator, `Atomics.load(…)` becomes `(yield, Atomics.load(…))`, and a call of such a
// function `(yield* call)`. Nothing else is changed, so what is explored is what is shipped.
//
// Which calls those are is decided by name alone: if one function of a name touches shared memory, all functions of that name become generators.
// The name of a local function value (`callback`) is handled at run time.

/** Changes a source text before it is transformed; see mutants.ts. */
export type Edit = (file: string, text: string) => string;

/** The modules of the package in CommonJS form, by file name. */
export type Modules = ReadonlyMap<string, ModuleFactory>;

/** `globals` is what the module sees instead of Atomics, globalThis and so on. */
export type ModuleFactory = (require: (name: string) => unknown, exports: object, globals: Globals) => void;

interface Globals {
  Atomics: unknown;
  globalThis: unknown;
  $run: unknown;
  $observed: unknown;
}

const sourceFolder = new URL('../../src/', import.meta.url);

/** Modules that only run before the threads do, or that the virtual machine replaces. */
const untouched = new Set(['layout.ts', 'thread.ts', 'softint.ts', 'index.ts']);
/** Modules in which ordinary accesses to shared words are steps too: there they carry data. */
const withPlainAccesses = new Set(['spsc-ring.ts', 'mpsc-ring.ts']);
/** Names of function values that may or may not return a generator. */
const dynamicNames = new Set(['callback', 'run']);

/** The package's source files, without comments lost, after an edit. */
function readSources(edit: Edit): Map<string, string> {
  const sources = new Map<string, string>();
  for (const file of readdirSync(sourceFolder)) {
    if (!untouched.has(file)) sources.set(file, edit(file, readFileSync(new URL(file, sourceFolder), 'utf8')));
  }
  return sources;
}

/** Transforms the package. */
export function instrument(edit: Edit): Modules {
  const files = new Map<string, ts.SourceFile>();
  for (const [file, text] of readSources(edit)) files.set(file, parse(file, text));
  const names = steppingNames(files);
  const modules = new Map<string, ModuleFactory>();
  for (const [file, source] of files) modules.set(file.replace(/\.ts$/, '.js'), transform(file, source.text, names));
  modules.set('layout.js', transform('layout.ts', readFileSync(new URL('layout.ts', sourceFolder), 'utf8'), new Set()));
  return modules;
}

/** Modules that were transformed before; a mutant changes one of them only. */
const transformed = new Map<string, ModuleFactory>();

function transform(file: string, text: string, names: ReadonlySet<string>): ModuleFactory {
  const key = [file, text, ...names].join('\n');
  const known = transformed.get(key);
  if (known !== undefined) return known;
  const output = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
    transformers: { before: [transformer(names, withPlainAccesses.has(file))] },
  });
  const factory = compile(file, output.outputText);
  transformed.set(key, factory);
  return factory;
}

const parsed = new Map<string, ts.SourceFile>();

function parse(file: string, text: string): ts.SourceFile {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  parsed.set(text, source);
  return source;
}

function compile(file: string, text: string): ModuleFactory {
  const body = `const { Atomics, globalThis, $run, $observed } = globals;\n${text}\n//# sourceURL=explored/${file}`;
  const compiled = new Function('require', 'exports', 'globals', body);
  return (require, exports, globals) => compiled(require, exports, globals);
}

/** A function of the source: what it calls, and whether it makes an access to shared memory itself. */
interface SourceFunction {
  readonly name: string;
  readonly calls: ReadonlySet<string>;
  readonly accesses: boolean;
}

/** The names of all functions that step, found by repeating until no more are. */
function steppingNames(files: ReadonlyMap<string, ts.SourceFile>): Set<string> {
  const functions = [...files].flatMap(([file, source]) => functionsOf(source, withPlainAccesses.has(file)));
  const names = new Set<string>(dynamicNames);
  for (let before = -1; before !== names.size; ) {
    before = names.size;
    for (const { name, calls, accesses } of functions) {
      if (accesses || [...calls].some((call) => names.has(call))) names.add(name);
    }
  }
  for (const name of dynamicNames) names.delete(name);
  return names;
}

const knownFunctions = new Map<string, SourceFunction[]>();

function functionsOf(source: ts.SourceFile, plain: boolean): SourceFunction[] {
  const known = knownFunctions.get(source.text);
  if (known !== undefined) return known;
  const functions: SourceFunction[] = [];
  const visit = (node: ts.Node): void => {
    if (isNamedFunction(node) && node.body !== undefined) functions.push(functionOf(node.name.text, node.body, plain));
    ts.forEachChild(node, visit);
  };
  visit(source);
  knownFunctions.set(source.text, functions);
  return functions;
}

/** Functions inside the body are for themselves. */
function functionOf(name: string, body: ts.Node, plain: boolean): SourceFunction {
  const calls = new Set<string>();
  let accesses = false;
  const visit = (node: ts.Node): void => {
    if (isFunction(node)) return;
    if (ts.isCallExpression(node)) {
      const called = calledName(node);
      if (isAtomic(node)) accesses = true;
      else if (called !== undefined) calls.add(called);
    } else if (plain && isSharedElement(node)) accesses = true;
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(body, visit);
  return { name, calls, accesses };
}

type NamedFunction = (ts.MethodDeclaration | ts.FunctionDeclaration) & { name: ts.Identifier | ts.PrivateIdentifier };

function isNamedFunction(node: ts.Node): node is NamedFunction {
  if (!ts.isMethodDeclaration(node) && !ts.isFunctionDeclaration(node)) return false;
  return node.name !== undefined && (ts.isIdentifier(node.name) || ts.isPrivateIdentifier(node.name));
}

function isFunction(node: ts.Node): boolean {
  return ts.isFunctionLike(node);
}

function isAtomic(call: ts.CallExpression): boolean {
  const callee = call.expression;
  return ts.isPropertyAccessExpression(callee) && callee.expression.getText() === 'Atomics';
}

function calledName(call: ts.CallExpression): string | undefined {
  const callee = call.expression;
  if (ts.isIdentifier(callee)) return callee.text;
  return ts.isPropertyAccessExpression(callee) ? callee.name.text : undefined;
}

function transformer(names: ReadonlySet<string>, plain: boolean): ts.TransformerFactory<ts.SourceFile> {
  return (context) => {
    const { factory } = context;
    const star = factory.createToken(ts.SyntaxKind.AsteriskToken);
    const yieldThen = (expression: ts.Expression): ts.Expression =>
      factory.createParenthesizedExpression(
        factory.createComma(factory.createYieldExpression(undefined, factory.createNull()), expression),
      );
    const delegate = (expression: ts.Expression): ts.Expression =>
      factory.createParenthesizedExpression(factory.createYieldExpression(star, expression));

    const visit =
      (inGenerator: boolean) =>
      (node: ts.Node): ts.Node => {
        if (isFunction(node)) return visitFunction(node);
        const inner = visit(inGenerator);
        if (!inGenerator) return ts.visitEachChild(node, inner, context);
        if (ts.isCallExpression(node)) {
          const call = ts.visitEachChild(node, inner, context);
          // A sleep is several steps, so it is a generator itself.
          if (isAtomic(node)) return calledName(node) === 'wait' ? delegate(call) : yieldThen(call);
          const name = calledName(node);
          if (name !== undefined && names.has(name)) return delegate(call);
          if (name !== undefined && dynamicNames.has(name)) {
            return delegate(factory.createCallExpression(factory.createIdentifier('$run'), undefined, [call]));
          }
          return call;
        }
        if (plain && isPlainWrite(node)) {
          const write = factory.updateBinaryExpression(
            node,
            ts.visitEachChild(node.left, inner, context) as ts.Expression,
            node.operatorToken,
            ts.visitNode(node.right, inner) as ts.Expression,
          );
          return yieldThen(write);
        }
        if (plain && isSharedElement(node)) {
          const read = ts.visitEachChild(node, inner, context) as ts.Expression;
          return yieldThen(factory.createCallExpression(factory.createIdentifier('$observed'), undefined, [read]));
        }
        return ts.visitEachChild(node, inner, context);
      };

    const visitFunction = (node: ts.Node): ts.Node => {
      const becomes = isNamedFunction(node) && names.has(node.name.text);
      const visited = ts.visitEachChild(node, visit(becomes), context);
      if (!becomes) return visited;
      if (ts.isMethodDeclaration(visited)) {
        const { modifiers, name, parameters, body } = visited;
        return factory.updateMethodDeclaration(visited, modifiers, star, name, undefined, undefined, parameters, undefined, body);
      }
      const { modifiers, name, parameters, body } = visited as ts.FunctionDeclaration;
      return factory.updateFunctionDeclaration(
        visited as ts.FunctionDeclaration,
        modifiers,
        star,
        name,
        undefined,
        parameters,
        undefined,
        body,
      );
    };
    return (file) => ts.visitEachChild(file, visit(false), context);
  };
}

/** `words[…]`, whoever's field it is. */
function isSharedElement(node: ts.Node): node is ts.ElementAccessExpression {
  return ts.isElementAccessExpression(node) && /(^|[.#])words$/.test(node.expression.getText());
}

function isPlainWrite(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken && isSharedElement(node.left);
}
