// What modules of the page look for when they are loaded. Each test stubs what it uses.
const none = () => undefined;
const scope = globalThis as unknown as Record<string, unknown>;
scope.window ??= globalThis;
scope.document ??= { documentElement: { lang: "en" } };
scope.addEventListener ??= none;
scope.location ??= new URL("http://scout/");
scope.matchMedia ??= () => ({ matches: false, addEventListener: none });
