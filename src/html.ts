/** What pages and drawings of ours share. */

export function escapeText(content: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return content.replace(/[&<>"]/g, (character) => names[character]!);
}

/** Distinct on white, also for the colour-blind. Source: Okabe and Ito 2008 */
export const INKS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
