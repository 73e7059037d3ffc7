// The policy of the page lets scripts be loaded only by addresses that went through here.

interface Policies {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

const own = (url: string): string => {
  if (new URL(url, document.baseURI).origin !== location.origin) throw new TypeError(`${url} is a script of somebody else`);
  return url;
};

const policies = (window as unknown as { trustedTypes?: Policies }).trustedTypes;
const policy = policies?.createPolicy("scout", { createScriptURL: own });

/** trusted is the address of a script of this page, as the constructors of workers want it. */
export const trusted = (url: string): string => policy?.createScriptURL(url) ?? own(url);
