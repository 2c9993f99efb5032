/** A stack trace. In an editor's frame (see the extension's `dashboard-panel.ts`) its files open there. */
const FRAME = /^(\s+at .*?\(?)([^\s():]+\.[cm]?[jt]sx?):(\d+):(\d+)(\)?)$/
/** Of the platform, and of nobody's interest. */
const FOREIGN = /(?:^|\/)exported_[^/]+\.mjs$/

export function Stack({ service, stack }: { service: string; stack: string }) {
  return (
    <pre>
      {stack.split('\n').map((line, i) => (
        <Line key={i} service={service} line={line} />
      ))}
    </pre>
  )
}

function Line({ service, line }: { service: string; line: string }) {
  const [, before, path, lineNumber, column, after] = FRAME.exec(line) ?? []
  if (window.parent === window || path === undefined || FOREIGN.test(path)) return <>{`${line}\n`}</>
  // Nothing secret is in it: whoever has put this page into a frame sees as much.
  const open = () => parent.postMessage({ service, path, line: Number(lineNumber), column: Number(column) }, '*')
  return (
    <>
      {before}
      <button type="button" class="frame" title="Open in the editor" onClick={open}>
        {`${path}:${lineNumber}:${column}`}
      </button>
      {`${after}\n`}
    </>
  )
}
