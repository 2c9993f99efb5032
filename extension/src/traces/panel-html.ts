/** The page of the panel: a frame with the dashboard, and a door through which the dashboard's messages come. */

/** @param url of the dashboard, with its key */
export function panelHtml({ url, nonce }: { url: string; nonce: string }): string {
  const { origin } = new URL(url)
  const policy = `default-src 'none'; frame-src ${origin}; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escaped(policy)}">
<title>ryo-faas</title>
<style nonce="${nonce}">body { margin: 0; padding: 0 } iframe { position: fixed; inset: 0; width: 100%; height: 100%; border: 0 }</style>
</head>
<body>
<iframe src="${escaped(url)}" title="Dashboard"></iframe>
<script nonce="${nonce}">
const editor = acquireVsCodeApi()
addEventListener('message', ({ origin, data }) => { if (origin === ${JSON.stringify(origin)}) editor.postMessage(data) })
</script>
</body>
</html>`
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;')
}
