/** A stack trace. In an editor's frame (see the extension's `dashboard-panel.ts`) its files open there. */
const FRAME = /^(\s+at .*?\(?)([^\s():]+\.[cm]?[jt]sx?):(\d+):(\d+)(\)?)$/
/** Files of the platform: not worth opening. */
const GENERATED = /(?:^|\/)(?:exported_[^/]+\.mjs|\.?ryo-faas-runtime\.cjs)$/

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
  if (window.parent === window || path === undefined || GENERATED.test(path)) return <>{`${line}\n`}</>
  // It contains no secret: the page that frames this one sees as much.
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
