/** Helpers shared by generated pages and drawings. */

export function escapeText(content: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return content.replace(/[&<>"]/g, (character) => names[character]!);
}

/** A page without scripts. @param main  HTML of what it shows */
export const htmlPage = (title: string, style: string, main: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${style}</style>
<main>
${main}
</main>
</html>
`;

/** Colours that are distinct on white, also for the colour-blind. Source: Okabe and Ito 2008 */
export const INKS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
