/** The page of the panel: a frame with the dashboard, and messages passed between it and the editor. */

/**
 * @param url of the dashboard, with its key
 * @param place remembered for a reload of the window
 */
export function panelHtml({ url, place, nonce }: { url: string; place: string; nonce: string }): string {
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
editor.setState(${json({ place })})
const dashboard = ${json(origin)}
addEventListener('message', ({ origin, data }) => {
  if (origin === dashboard) editor.postMessage(data)
  else document.querySelector('iframe').contentWindow.postMessage(data, dashboard)
})
</script>
</body>
</html>`
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;')
}

/** Safe inside a script: nothing in it can end the script. */
function json(value: unknown): string {
  return JSON.stringify(value).replace(/</g, '\\u003c')
}
