/** The editor's API as a value: everything receives it, only `main.ts` loads it, so that tests can bring their own. */
import type * as vscode from 'vscode'

export type Vscode = typeof vscode
